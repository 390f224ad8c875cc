"""PostgreSQL has a request decided once, even by two approvers at the same time, and by any program."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, connection
from django.test import Client

from checkout.payments.actions.staff.approvals import Member, approve, decline, withdraw
from checkout.payments.models import ApprovalRequest, Operation
from tests.backoffice.recorded import entries
from tests.backoffice.to_act_on import requested

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]
APPROVERS = 6


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE payments_approvalrequest SET amount_minor = 900",
        "UPDATE payments_approvalrequest SET requested_by_user = 7",
        "UPDATE payments_approvalrequest SET state = 'done', decided_by_user = 7, decided_at = now()",
        "UPDATE payments_approvalrequest SET state = 'approved', decided_by_user = 0, decided_at = now()",
        "DELETE FROM payments_approvalrequest",
    ],
)
def test_a_request_is_neither_changed_nor_deleted_nor_approved_by_its_requester(statement):
    requested()
    with pytest.raises(IntegrityError), connection.cursor() as cursor:
        cursor.execute(statement)
    assert ApprovalRequest.objects.get().state == "waiting"


@pytest.mark.parametrize("decide", [approve, withdraw, lambda key, by: decline(key, by, "No")])
def test_a_decision_is_never_taken_back_or_replaced(decide):
    row = requested(7 if decide is withdraw else 0)
    decide(row.pk, Member("grace", 7))
    for state in ("waiting", "approved", "declined"):
        with pytest.raises(IntegrityError), connection.cursor() as cursor:
            cursor.execute(
                "UPDATE payments_approvalrequest SET state = %s, decided_by_user = 8, decided_at = now()",
                [state],
            )


def test_if_several_approve_at_the_same_time_the_refund_is_requested_once():
    row = requested()
    together = Barrier(APPROVERS)
    browsers = []
    for number in range(APPROVERS):
        browser = Client()
        browser.force_login(User.objects.create_superuser(f"boss-{number}"))
        browsers.append(browser)

    def press(browser):
        try:
            together.wait(timeout=30)
            return browser.post(f"/admin/payments/approvalrequest/{row.pk}/approve/").status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(APPROVERS) as pool:
        assert set(pool.map(press, browsers)) == {302}
    assert Operation.objects.filter(kind="refund").count() == 1
    assert ApprovalRequest.objects.get().state == "done"
    assert [entry.action for entry in entries()] == ["approve"]
