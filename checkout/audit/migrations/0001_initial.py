"""The table of the audit log, which PostgreSQL guards whatever program writes to it.

An entry is neither changed nor deleted, but its details can be emptied.
"""

from django.db import migrations, models

from checkout.database.append_only import on_postgresql
from checkout.database.pattern_indexes import leave_out_pattern_indexes

ADD = """
CREATE FUNCTION audit_auditentry_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.details = '' THEN
        NEW.details := OLD.details;
        IF NEW IS NOT DISTINCT FROM OLD THEN
            NEW.details := '';
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'Entries of the audit log are never changed or deleted: a % of entry % was refused.',
        TG_OP, OLD.id USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER audit_auditentry_is_append_only BEFORE UPDATE OR DELETE ON audit_auditentry
    FOR EACH ROW EXECUTE FUNCTION audit_auditentry_refuse_change();
"""

REMOVE = """
DROP TRIGGER audit_auditentry_is_append_only ON audit_auditentry;
DROP FUNCTION audit_auditentry_refuse_change();
"""


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="AuditEntry",
            fields=[
                ("id", models.BigIntegerField(primary_key=True, serialize=False, verbose_name="number")),
                ("at", models.DateTimeField(db_index=True, verbose_name="when")),
                (
                    "by",
                    models.CharField(
                        blank=True, help_text="The user's name; empty for a stranger", max_length=150
                    ),
                ),
                (
                    "by_user",
                    models.BigIntegerField(help_text="The user's key, which is never given again", null=True),
                ),
                (
                    "origin",
                    models.CharField(
                        help_text="The network address, or the command line",
                        max_length=60,
                        verbose_name="from",
                    ),
                ),
                ("action", models.CharField(max_length=60)),
                ("what", models.CharField(max_length=300)),
                ("table", models.CharField(blank=True, help_text="As application.model", max_length=60)),
                (
                    "row",
                    models.CharField(blank=True, help_text="The key of the row in the table", max_length=64),
                ),
                ("name", models.CharField(blank=True, max_length=200, verbose_name="object")),
                (
                    "merchant",
                    models.CharField(blank=True, help_text="The code of the row's merchant", max_length=50),
                ),
                (
                    "payment",
                    models.CharField(
                        blank=True, help_text="The reference of the row's payment", max_length=40
                    ),
                ),
                (
                    "details",
                    models.TextField(
                        blank=True, help_text="JSON: the values before and after, and the reason"
                    ),
                ),
                ("details_digest", models.CharField(max_length=64)),
                (
                    "previous",
                    models.CharField(blank=True, help_text="The digest of the entry before", max_length=64),
                ),
                ("digest", models.CharField(max_length=64)),
            ],
            options={
                "verbose_name": "audit log entry",
                "verbose_name_plural": "audit log entries",
                "ordering": ["-id"],
                "indexes": [
                    models.Index(fields=["by_user", "-at"], name="audit_by_user"),
                    models.Index(fields=["by", "-id"], name="audit_by_name"),
                    models.Index(fields=["table", "row"], name="audit_by_row"),
                    models.Index(fields=["merchant", "-id"], name="audit_by_merchant"),
                    models.Index(fields=["payment"], name="audit_by_payment"),
                    models.Index(fields=["name"], name="audit_by_object"),
                ],
            },
        ),
        on_postgresql(ADD, REMOVE),
        leave_out_pattern_indexes(),
    ]
