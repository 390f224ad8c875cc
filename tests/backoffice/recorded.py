"""The entries of the audit log, without those of logging in and out."""

from checkout.audit.models import AuditEntry

SESSIONS = ("log_in", "log_out", "log_in_failed")


def entries():
    return AuditEntry.objects.exclude(action__in=SESSIONS)


def is_about(entry, row):
    return (entry.table, entry.row) == (row._meta.label_lower, str(row.pk))
