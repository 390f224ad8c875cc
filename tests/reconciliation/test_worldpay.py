"""Reconciliation over Worldpay's protocol, with the sandbox as the provider."""

import pytest

from checkout.management.commands.load_example import load_account
from checkout.payments.models import Attempt, Difference, Fact, Merchant, Payment
from checkout.reconciliation import reconcile_account
from checkout.states import AttemptState, PaymentState
from tests.reconciliation.conftest import Paid
from tests.sandbox.conftest import key_file, sandbox, sandbox_of
from tests.sandbox.merchant import Merchant as SandboxMerchant, turn
from tests.support.reconciling import reconcile
from tests.support.waiting import wait_until

__all__ = ["key_file", "sandbox", "sandbox_of"]

pytestmark = pytest.mark.usefixtures("shown_at_once")


@pytest.fixture
def provider(sandbox) -> SandboxMerchant:
    """Return a client that makes orders at the provider without the gateway."""
    return SandboxMerchant(sandbox)


@pytest.fixture
def account(db, sandbox, settings):
    settings.SANDBOX_URL = sandbox
    return load_account(Merchant.objects.create(code="shop", name="The Shop"))


@pytest.fixture
def paid(account, provider) -> Paid:
    payment = Payment.objects.create(
        merchant=account.merchant,
        order_reference="A-1",
        description="Tea",
        amount_minor=1050,
        currency="GBP",
        state=PaymentState.AUTHORISED,
    )
    attempt = Attempt.objects.create(
        payment=payment,
        number=1,
        provider_account=account,
        order_code=f"{payment.reference}-1",
        session_id="s",
        state=AttemptState.AUTHORISED,
    )
    provider.submit(attempt.order_code)
    return Paid(payment, attempt)


def captured(provider, order_code, minor):
    provider.capture(order_code, minor)
    wait_until(lambda: provider.books(order_code)["captured"] == minor, "the capture to be booked")


def test_a_part_that_is_captured_and_refunded_agrees_to_the_minor_unit(paid, provider, account):
    assert reconcile() == []
    captured(provider, paid.attempt.order_code, 600)
    provider.refund(paid.attempt.order_code, 599)
    wait_until(lambda: provider.books(paid.attempt.order_code)["refunded"] == 599, "the refund")
    paid.operation("capture", 600)
    paid.operation("refund", 599)
    run, differences = reconcile_account(account)
    assert differences == []
    assert (run.compared, run.untold, run.unanswered) == (1, 0, 0)


@pytest.fixture
def settling(provider) -> None:
    """Let the next order's money be settled, and its refunds be added to the captured money."""
    turn(provider.url, order={"traits": ["settled", "refund_through_captured"]}, clock_scale=1e6)


def test_a_refund_of_settled_money_makes_no_difference(settling, paid, provider, account):
    captured(provider, paid.attempt.order_code, 1050)
    wait_until(lambda: provider.books(paid.attempt.order_code)["state"] == "settled", "the settlement")
    provider.refund(paid.attempt.order_code, 300)
    wait_until(lambda: provider.books(paid.attempt.order_code)["refunded"] == 300, "the refund")
    paid.operation("capture", 1050)
    paid.operation("refund", 300)
    told = {"payment": paid.payment, "attempt": paid.attempt, "source": "provider"}
    Fact.objects.create(kind="notified_settled", **told)
    run, differences = reconcile_account(account)
    assert differences == []
    assert (run.compared, run.untold) == (1, 1)


@pytest.fixture
def settling_unheard(provider) -> None:
    """Let the next order's money be settled without a notification."""
    traits = ["settled", "settled_unselected", "refund_through_captured"]
    turn(provider.url, order={"traits": traits}, clock_scale=1e6)


def test_a_settlement_that_nobody_has_told_of_makes_no_difference_either(
    settling_unheard, paid, provider, account
):
    captured(provider, paid.attempt.order_code, 1050)
    wait_until(lambda: provider.books(paid.attempt.order_code)["state"] == "settled", "the settlement")
    for minor in (300, 50):
        provider.refund(paid.attempt.order_code, minor)
    wait_until(lambda: provider.books(paid.attempt.order_code)["refunded"] == 350, "the refunds")
    paid.operation("capture", 1050)
    paid.operation("refund", 300)
    paid.operation("refund", 50)
    run, differences = reconcile_account(account)
    assert differences == []
    assert (run.compared, run.untold) == (1, 1)


@pytest.fixture
def unchecked(provider) -> None:
    """Let the next order accept captures beyond its authorisation."""
    turn(provider.url, order={"traits": ["no_ceiling"]}, clock_scale=1e6)


def test_more_captured_than_was_authorised_is_found(unchecked, paid, provider):
    captured(provider, paid.attempt.order_code, 1050)
    paid.operation("capture", 1050)
    assert reconcile() == []
    provider.capture(paid.attempt.order_code, 1050)
    wait_until(lambda: provider.books(paid.attempt.order_code)["captured"] == 2100, "the second capture")
    told = {(difference.kind, difference.ours_minor, difference.theirs_minor) for difference in reconcile()}
    assert told == {("captured", 1050, 2100)}


@pytest.fixture
def disputed(provider) -> None:
    """Let the next order be charged back after its capture."""
    turn(provider.url, order={"traits": ["charged_back"]}, clock_scale=1e6)


def test_a_charge_back_of_which_we_were_not_told_is_found(disputed, paid, provider):
    captured(provider, paid.attempt.order_code, 1050)
    paid.operation("capture", 1050)
    wait_until(lambda: provider.books(paid.attempt.order_code)["charged_back"] > 0, "the charge-back")
    [difference] = reconcile()
    assert (difference.kind, difference.theirs) == ("charged_back", "not told")


def test_an_account_that_may_not_ask_is_no_provider_that_is_away(paid, provider, account):
    turn(provider.url, knob={"verb": "inquiry", "fault": "security_violation", "times": None})
    run, differences = reconcile_account(account)
    assert (differences, run.unanswered) == ([], 1)
    assert still_unanswered() == {paid.attempt.order_code}


def still_unanswered() -> set[str]:
    found = Difference.objects.filter(kind=Difference.Kind.UNANSWERED, resolved_at=None)
    return set(found.values_list("order_code", flat=True))


def test_a_capture_that_we_know_nothing_of_is_found(paid, provider):
    captured(provider, paid.attempt.order_code, 1)
    told = {(difference.kind, difference.ours_minor, difference.theirs_minor) for difference in reconcile()}
    assert told == {("captured", 0, 1), ("ledger_captured", 0, 1)}


def test_an_order_that_we_know_nothing_of_is_found_with_its_money(paid, provider, account):
    provider.submit("from-nowhere", amount=777)
    provider.submit("refused-from-nowhere", "REFUSED")
    (difference,) = reconcile()
    assert (difference.kind, difference.order_code, difference.theirs_minor) == ("order", "from-nowhere", 777)
    provider.cancel("from-nowhere")
    assert reconcile() == []


@pytest.mark.parametrize("fault", ["500_before", "reset_before", "truncated", "html", "last_event_unknown"])
def test_a_bad_answer_is_no_difference(paid, provider, account, fault):
    turn(provider.url, knob={"verb": "inquiry", "fault": fault, "times": None})
    run, differences = reconcile_account(account)
    assert differences == []
    assert run.unanswered == 1
    turn(provider.url, reset=True)
    run, differences = reconcile_account(account)
    assert differences == []
    assert (run.compared, run.unanswered) == (1, 0)
