"""PostgreSQL refuses changes of the audit log, and writers at the same time do not fork its chain."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import IntegrityError, connection, transaction

from checkout.audit.chain import verify
from checkout.audit.log import Author, Details, Subject, erase_details, record
from checkout.audit.models import AuditEntry

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]
WRITERS, EACH = 8, 10


def write(name):
    record(Author(name, 1, "192.0.2.7"), "refund", "Refund", Subject(payment="pay_1"), Details("Damaged"))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_auditentry SET by = 'eve'",
        "UPDATE audit_auditentry SET by = 'eve', details = ''",
        "UPDATE audit_auditentry SET details = '{}'",
        "DELETE FROM audit_auditentry",
    ],
)
def test_an_entry_is_neither_changed_nor_deleted(statement):
    write("ada")
    with pytest.raises(IntegrityError, match="never changed or deleted"), connection.cursor() as cursor:
        cursor.execute(statement)
    assert AuditEntry.objects.get().by == "ada"


def test_the_details_of_an_entry_can_be_emptied():
    write("ada")
    erase_details("pay_1")
    assert AuditEntry.objects.get().details == ""
    assert not verify().fault


def test_writers_at_the_same_time_make_one_chain():
    together = Barrier(WRITERS)

    def write_some(number):
        try:
            together.wait(timeout=30)
            for _ in range(EACH):
                with transaction.atomic():
                    write(f"writer {number}")
        finally:
            connection.close()

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(write_some, range(WRITERS)))
    found = verify()
    assert (found.entries, found.fault) == (WRITERS * EACH, "")


def test_a_transaction_that_fails_leaves_no_gap():
    write("ada")
    with transaction.atomic():
        write("eve")
        transaction.set_rollback(True)
    write("ada")
    assert (verify().entries, verify().fault) == (2, "")
