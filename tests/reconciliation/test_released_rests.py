"""The comparison with a provider that releases the rest of an authorisation once a part was captured."""

import pytest

from checkout.payments.models import Reconciliation
from checkout.payments.providers.base import Verb
from checkout.payments.providers.worldpay_wpg.parse import parse_reply
from tests.payments.providers.worldpay_messages import amount, balance, order_status, payment
from tests.support.reconciling import reconcile

pytestmark = pytest.mark.django_db
HELD, KEPT = "IN_PROCESS_AUTHORISED", "IN_PROCESS_CAPTURED"


@pytest.fixture
def differences(paid, books):
    """Return a function that compares a payment with these operations with Worldpay's answer about it."""

    def compared(operations: list[tuple[str, int]], event: str, *balances: str) -> list[tuple[str, int, int]]:
        mine = paid()
        for kind, minor in operations:
            mine.operation(kind, minor)
        status = payment(event, "".join(balances), money=amount(1250))
        result = parse_reply(order_status(status, mine.attempt.order_code), Verb.INQUIRE)
        books.scenarios.answer("inquire", result)
        return sorted((str(each.kind), each.ours_minor, each.theirs_minor) for each in reconcile())

    return compared


@pytest.mark.parametrize("event", ["CAPTURED", "CANCELLED", "EXPIRED"])
def test_the_capture_of_a_part_agrees_with_what_is_kept(differences, event):
    assert differences([("capture", 800)], event, balance(KEPT, 800)) == []
    assert Reconciliation.objects.get().untold == 0


def test_refunds_agree_with_what_is_kept(differences):
    operations = [("capture", 800), ("refund", 300)]
    assert differences(operations, "REFUNDED", balance(KEPT, 500)) == []


def test_a_refund_that_only_the_provider_has_is_a_difference(differences):
    found = differences([("capture", 800), ("refund", 300)], "REFUNDED", balance(KEPT, 200))
    assert found == [("ledger_refunded", 300, 600), ("refunded", 300, 600)]


def test_a_capture_that_only_the_provider_has_is_a_difference(differences):
    found = differences([("capture", 500)], "CAPTURED", balance(KEPT, 800))
    assert found == [("captured", 500, 800), ("ledger_captured", 500, 800)]


def test_sums_from_before_the_last_refund_say_nothing(differences):
    assert differences([("capture", 800), ("refund", 300)], "REFUNDED", balance(KEPT, 800)) == []
    assert Reconciliation.objects.get().untold == 1


@pytest.mark.parametrize("event", ["CANCELLED", "EXPIRED"])
def test_the_end_of_the_rest_does_not_say_that_nothing_was_captured(differences, event):
    assert differences([("capture", 800)], event) == []
    assert Reconciliation.objects.get().untold == 1


@pytest.mark.parametrize(("operations", "kinds"), [
    ([], ["authorised"]),
    ([("capture", 1250)], ["authorised", "captured", "ledger_captured"]),
])  # fmt: skip
def test_the_end_of_the_authorisation_is_a_difference_where_no_rest_can_be(differences, operations, kinds):
    assert [kind for kind, *_ in differences(operations, "EXPIRED")] == kinds


def test_an_order_that_was_refused_was_not_captured_in_part_either(differences):
    assert "captured" in [kind for kind, *_ in differences([("capture", 800)], "REFUSED")]
