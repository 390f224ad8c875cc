"""The audit log is a chain: a changed, missing or cut-off entry is found."""

import io
import json

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection

from checkout.audit.log import Author, Details, Subject, erase_details, record
from checkout.audit.models import AuditEntry

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def unguarded(db):
    """Let the tests change entries, as an attacker with all rights in the database could."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE audit_auditentry DISABLE TRIGGER USER")


ADA = Author("ada", 7, "192.0.2.7")


def write(*whats, payment="pay_1"):
    about = Subject("payments.payment", "1", "pay_1", "example", payment)
    return [record(ADA, "refund", what, about, Details("Damaged", {"a": 1}, {"a": 2})) for what in whats]


def verify(*arguments):
    """Return the exit code and the JSON of the command."""
    out = io.StringIO()
    try:
        call_command("gateway", "audit-verify", "--json", *arguments, stdout=out)
    except SystemExit as end:
        return end.code, json.loads(out.getvalue())
    return 0, json.loads(out.getvalue())


def test_entries_are_numbered_and_each_has_the_digest_of_the_one_before():
    first, second, third = write("one", "two", "three")
    assert [each.id for each in (first, second, third)] == [1, 2, 3]
    assert (first.previous, second.previous, third.previous) == ("", first.digest, second.digest)


def test_an_intact_log_is_verified_and_its_last_digest_told():
    last = write("one", "two", "three")[-1]
    code, told = verify()
    assert (code, told["ok"], told["anchor"]) == (0, True, f"3:{last.digest}")


def test_an_empty_log_is_intact():
    assert verify() == (0, {"ok": True, "entries": 0, "erased": 0, "anchor": "", "fault": ""})


COLUMNS = {
    "at": "2026-11-01T00:00:00Z", "by": "eve", "by_user": 8, "origin": "elsewhere", "action": "void",
    "what": "nothing", "table": "payments.saga", "row": "2", "name": "pay_2", "merchant": "rival",
    "payment": "pay_2", "details": '{"why":"nothing"}', "details_digest": 64 * "0", "previous": 64 * "0",
    "digest": 64 * "0",
}  # fmt: skip


def test_every_column_is_tried():
    assert COLUMNS.keys() == {field.name for field in AuditEntry._meta.fields} - {"id"}


@pytest.mark.parametrize("column", COLUMNS)
def test_a_change_of_any_column_is_found_and_the_entry_named(column):
    write("one", "two", "three")
    AuditEntry.objects.filter(id=2).update(**{column: COLUMNS[column]})
    code, told = verify()
    assert (code, told["entries"]) == (1, 1)
    assert told["fault"].startswith("Entry 2 is wrong: ")


def test_an_entry_that_was_left_out_is_named():
    write("one", "two", "three")
    AuditEntry.objects.filter(id=2).delete()
    assert verify()[1]["fault"] == "Entry 2 is wrong: it is missing, and entry 3 follows."


def test_a_log_whose_end_was_cut_off_is_found_by_an_earlier_anchor():
    write("one", "two")
    anchor = verify()[1]["anchor"]
    AuditEntry.objects.filter(id=2).delete()
    assert verify()[0] == 0, "nothing in the log itself shows it"
    assert verify("--anchor", anchor)[1]["fault"] == "The log ends before entry 2."


def test_a_log_that_was_written_anew_is_found_by_an_earlier_anchor():
    write("one", "two")
    anchor = verify()[1]["anchor"]
    AuditEntry.objects.all().delete()
    write("one", "something else", "three")
    assert verify()[0] == 0
    assert verify("--anchor", anchor)[1]["fault"].startswith("Entry 2 is wrong: its digest was ")


def test_what_follows_an_anchor_is_verified_as_well():
    write("one")
    anchor = verify()[1]["anchor"]
    write("two")
    assert verify("--anchor", anchor)[0] == 0


@pytest.mark.parametrize("anchor", ["7", "x:0", "7:0"])
def test_an_anchor_that_cannot_be_read_is_refused(anchor):
    with pytest.raises(CommandError, match="is no anchor"):
        call_command("gateway", "audit-verify", "--anchor", anchor)


def test_the_details_about_a_payment_can_be_erased_and_the_chain_holds():
    write("one")
    write("two", payment="pay_2")
    erase_details("pay_1")
    assert [each.details != "" for each in AuditEntry.objects.order_by("id")] == [False, True]
    code, told = verify()
    assert (code, told["erased"]) == (0, 1)


def test_card_numbers_are_kept_neither_in_what_nor_in_why():
    record(ADA, "refund", "Refund of 4444333322221111", details=Details("said 4444333322221111"))
    entry = AuditEntry.objects.get()
    assert "4444333322221111" not in entry.what + entry.details


def test_an_entry_that_exists_is_not_saved_again():
    [entry] = write("one")
    entry.what = "another"
    with pytest.raises(Exception, match=r"UNIQUE|duplicate"):
        entry.save()
