"""The accounts of balances: those of captured money, and others, which say nothing about it."""

import pytest

from checkout.money import Money
from checkout.payments.providers.base import EventKind, Outcome, Verb
from checkout.payments.providers.worldpay_wpg.parse import parse_reply
from tests.payments.providers.worldpay_messages import balance, paid

HELD, KEPT = "IN_PROCESS_AUTHORISED", "IN_PROCESS_CAPTURED"
SETTLED = balance("SETTLED_BIBIT_NET", 1000)
# Accounts of other than captured money: those of the provider's grammar, and a new one.
OTHER_ACCOUNTS = [
    "IN_PROCESS_SENT_FOR_AUTH",
    "IN_PROCESS_PULL_APPROVED",
    "CAPTURE_FAILED",
    "DEPOSIT",
    "PAYOUT",
    "NEW_ACCOUNT",
]


@pytest.mark.parametrize(
    "balances",
    [
        [balance("SETTLED_BIBIT_NET", 590), balance("SETTLED_BIBIT_COMMISSION", 10)],
        [balance(KEPT, 100), balance("SETTLED_BIBIT_NET", 490)],
        [balance(KEPT, 600, "EUR")],
    ],
)
@pytest.mark.parametrize("event", ["CANCELLED", "EXPIRED", "REFUSED"])
def test_an_end_of_the_authorisation_beside_money_that_was_taken_refuses_nothing(event, balances):
    result = parse_reply(paid(event, "".join(balances)), Verb.INQUIRE)
    assert (result.outcome, result.position, result.kept) == (Outcome.UNKNOWN, None, None)


@pytest.mark.parametrize(
    ("balances", "kind"),
    [
        ([], EventKind.AUTHORISED),
        ([balance(HELD, 1050)], EventKind.AUTHORISED),
        ([balance(HELD, 1050), balance(KEPT, 0)], EventKind.AUTHORISED),
        ([balance(KEPT, 1050)], EventKind.CAPTURED),
        ([balance(HELD, 450), balance(KEPT, 600)], EventKind.CAPTURED),
        ([balance("SETTLED_BIBIT_NET", 1000)], EventKind.CAPTURED),
    ],
)
def test_an_order_whose_money_was_taken_is_captured_although_its_last_event_is_older(balances, kind):
    result = parse_reply(paid("AUTHORISED", "".join(balances)), Verb.INQUIRE)
    assert (result.outcome, result.event, result.kind) == (Outcome.APPROVED, "AUTHORISED", kind)
    assert result.is_behind == (kind == EventKind.CAPTURED)


def test_an_order_whose_last_event_is_its_capture_is_not_behind():
    assert not parse_reply(paid("CAPTURED", balance(KEPT, 1050)), Verb.INQUIRE).is_behind


@pytest.mark.parametrize("account", OTHER_ACCOUNTS)
def test_money_on_another_account_is_no_capture_while_all_is_held(account):
    result = parse_reply(paid("AUTHORISED", balance(HELD, 1050) + balance(account, 200)), Verb.INQUIRE)
    assert (result.outcome, result.kind) == (Outcome.APPROVED, EventKind.AUTHORISED)
    assert (result.is_behind, result.position, result.kept) == (False, None, None)


@pytest.mark.parametrize("account", OTHER_ACCOUNTS)
@pytest.mark.parametrize("others", ["", balance(HELD, 450), balance(HELD, 1050) + balance(KEPT, 5), SETTLED])
def test_money_on_another_account_tells_neither_of_a_capture_nor_of_its_absence(account, others):
    result = parse_reply(paid("AUTHORISED", others + balance(account, 1050)), Verb.INQUIRE)
    assert (result.outcome, result.kind, result.is_behind) == (Outcome.APPROVED, EventKind.OTHER, True)
    assert (result.position, result.kept) == (None, None)


@pytest.mark.parametrize("account", OTHER_ACCOUNTS)
@pytest.mark.parametrize(
    ("event", "outcome"),
    [
        ("REFUSED", Outcome.REFUSED),
        ("ERROR", Outcome.REFUSED),
        ("CANCELLED", Outcome.UNKNOWN),
        ("EXPIRED", Outcome.UNKNOWN),
    ],
)
def test_money_on_another_account_does_not_hide_a_refusal(account, event, outcome):
    result = parse_reply(paid(event, balance(account, 1050)), Verb.INQUIRE)
    assert (result.outcome, result.position, result.kept) == (outcome, None, None)


@pytest.mark.parametrize(
    "account", ["REFUND_PENDING", "IN_PROCESS_FAST_REFUND", "CHARGED_BACK", "SETTLED_ACQUIRER_TOTAL"]
)
def test_money_that_goes_back_or_was_settled_was_captured_before(account):
    result = parse_reply(paid("AUTHORISED", balance(account, 1050)), Verb.INQUIRE)
    assert (result.kind, result.amount) == (EventKind.CAPTURED, Money(1050, "GBP"))


@pytest.mark.parametrize(
    ("balances", "kind"),
    [
        ("", EventKind.CAPTURE_FAILED),
        (balance(HELD, 1050), EventKind.CAPTURE_FAILED),
        (balance(KEPT, 0), EventKind.CAPTURE_FAILED),
        (balance(KEPT, 1050), EventKind.OTHER),
        (balance("CAPTURE_FAILED", 1050), EventKind.OTHER),
    ],
)
def test_a_failed_capture_beside_money_that_may_be_taken_says_nothing(balances, kind):
    result = parse_reply(paid("CAPTURE_FAILED", balances), Verb.INQUIRE)
    assert (result.outcome, result.kind, result.is_behind) == (Outcome.APPROVED, kind, False)
    assert (result.position, result.kept) == (None, None)
