"""The rest of an authorisation that the provider released after a part was captured."""

import pytest

from checkout.money import Money
from checkout.payments.messages import CheckClaim
from checkout.payments.models import Attempt, Fact, Operation, Payment, ProviderCall, Saga
from checkout.payments.providers.base import EventKind, Verb
from checkout.payments.service import service
from checkout.states import PaymentState
from tests.payments.providers.worldpay_messages import balance
from tests.payments.service.asking import inquire_operation, let_settle, operation_on, settle
from tests.payments.service.delivering import command, deliver
from tests.payments.service.replying import answered, notified
from tests.payments.service.test_review import adopted, reviewed, why

pytestmark = pytest.mark.django_db
CAPTURE, VOID, REFUND = Operation.Kind.CAPTURE, Operation.Kind.VOID, Operation.Kind.REFUND
State = Operation.State
OWED = 1250


@pytest.fixture
def worldpay(authorised, worldpay):
    """Return a function that makes the provider answer as Worldpay does when nothing is held any more.

    ``kept`` is the balance of the captured money. If it is None, there are no balances.
    """

    def answer(event: str, kept: int | None = None) -> None:
        balances = "" if kept is None else balance("IN_PROCESS_CAPTURED", kept)
        worldpay(authorised, Verb.INQUIRE, event, OWED, balances)

    return answer


def operation(attempt: Attempt, kind: str, minor: int, state: str = State.DONE) -> Operation:
    made = operation_on(attempt, kind, minor)
    settle(made, state)
    return made


def lost(attempt: Attempt, kind: str, minor: int, *, was_alone: bool = True) -> Operation:
    """Return an operation whose answer was lost."""
    made = operation(attempt, kind, minor, State.UNKNOWN)
    key = made.reference
    ProviderCall.objects.create(attempt=attempt, key=key, recognised_key=key, verb=kind, was_alone=was_alone)
    let_settle(attempt)
    return made


def checked(attempt: Attempt, claim: str, minor: int, *, is_proven: bool = True) -> str:
    body = CheckClaim(
        payment=attempt.payment.reference,
        attempt=attempt.order_code,
        claim=claim,
        minor=minor,
        currency="GBP",
        is_proven=is_proven,
    )
    return str(deliver(service, command(body)).result["outcome"])


@pytest.mark.parametrize("event", ["CAPTURED", "SENT_FOR_REFUND"])
def test_a_second_capture_is_not_called_done_because_the_rest_was_released(authorised, worldpay, event):
    operation(authorised, CAPTURE, 800)
    operation(authorised, REFUND, 450, State.PENDING)
    second = lost(authorised, CAPTURE, 450, was_alone=False)
    worldpay(event, 800)
    assert inquire_operation(second) == "undecided"


@pytest.mark.parametrize("event", ["CAPTURED", "CANCELLED", "EXPIRED"])
def test_the_capture_of_a_part_is_done_if_all_of_it_is_kept(authorised, worldpay, event):
    capture = lost(authorised, CAPTURE, 800)
    worldpay(event, 800)
    assert inquire_operation(capture) == "approved"


@pytest.mark.parametrize("kept", [None, 500])
@pytest.mark.parametrize("event", ["CANCELLED", "EXPIRED"])
def test_the_end_of_a_rest_does_not_decide_the_capture_of_a_part(authorised, worldpay, event, kept):
    capture = lost(authorised, CAPTURE, 800)
    worldpay(event, kept)
    assert inquire_operation(capture) == "undecided"


def test_two_captures_are_done_if_all_of_both_is_kept(authorised, worldpay):
    operation(authorised, CAPTURE, 500)
    second = lost(authorised, CAPTURE, 300)
    worldpay("CAPTURED", 800)
    assert inquire_operation(second) == "approved"


def test_a_capture_of_everything_is_not_called_refused_while_money_is_kept(authorised, worldpay):
    capture = lost(authorised, CAPTURE, OWED)
    worldpay("CANCELLED", 800)
    assert inquire_operation(capture) == "undecided"


def test_a_void_is_not_called_done_while_money_is_kept(authorised, worldpay):
    void = lost(authorised, VOID, OWED)
    worldpay("CANCELLED", 800)
    assert inquire_operation(void) != "approved"
    worldpay("CANCELLED")
    assert inquire_operation(void) == "approved"


@pytest.mark.parametrize(("captured", "outcome"), [(OWED, "not_shown"), (800, "undecided")])
def test_a_refund_never_arrived_only_if_everything_was_captured_and_all_of_it_is_kept_but_the_others(
    authorised, worldpay, captured, outcome
):
    """An unknown capture may hide the refund, unless the whole amount was captured."""
    operation(authorised, CAPTURE, captured)
    operation(authorised, REFUND, 200)
    missing = lost(authorised, REFUND, 300)
    worldpay("CAPTURED", captured - 200)
    assert inquire_operation(missing) == outcome


@pytest.mark.parametrize("captured", [OWED, 800])
def test_a_refund_is_done_if_exactly_that_is_missing_of_what_was_captured(authorised, worldpay, captured):
    operation(authorised, CAPTURE, captured)
    operation(authorised, REFUND, 200)
    made = lost(authorised, REFUND, 300)
    worldpay("REFUNDED", captured - 200)
    assert inquire_operation(made) == "undecided"
    worldpay("REFUNDED", captured - 500)
    assert inquire_operation(made) == "approved"


def test_a_capture_is_not_sent_again_if_a_refund_may_have_given_back_as_much(authorised, worldpay):
    operation(authorised, CAPTURE, 800)
    operation(authorised, REFUND, 450)
    capture = lost(authorised, CAPTURE, 450)
    for event in ("CAPTURED", "REFUNDED"):
        worldpay(event, 800)
        assert inquire_operation(capture) == "undecided"


def test_a_refund_is_not_denied_by_what_is_kept_of_more_than_we_have_captured(authorised, worldpay):
    operation(authorised, CAPTURE, 500)
    worldpay("CAPTURED", 800)
    assert checked(authorised, "refunded", 100) == "undecided"


def test_refunds_are_not_told_apart_from_a_capture_that_is_open(authorised, worldpay):
    operation(authorised, CAPTURE, 500)
    operation(authorised, CAPTURE, 300, State.PENDING)
    operation(authorised, REFUND, 100)
    made = lost(authorised, REFUND, 100)
    worldpay("REFUNDED", 300)
    assert inquire_operation(made) == "undecided"


def test_the_hint_of_a_capture_is_not_confirmed_by_a_rest_that_was_released(authorised, worldpay):
    operation(authorised, CAPTURE, 800)
    operation(authorised, REFUND, 450, State.PENDING)
    worldpay("SENT_FOR_REFUND", 800)
    assert checked(authorised, "captured", 1, is_proven=False) == "denied"


def test_a_capture_behind_our_back_is_confirmed_by_what_is_kept(authorised, worldpay):
    operation(authorised, CAPTURE, 500)
    worldpay("CAPTURED", 800)
    assert checked(authorised, "captured", 300) == "confirmed"


@pytest.mark.parametrize("kept", [800, None])
@pytest.mark.parametrize("last_event", ["CANCELLED", "CAPTURED"])
def test_the_cancellation_of_the_rest_is_no_contradiction(authorised, worldpay, last_event, kept):
    operation(authorised, CAPTURE, 800)
    worldpay(last_event, kept)
    assert checked(authorised, "cancelled", 450) == "denied"


def test_the_cancellation_is_asked_about_until_the_capture_of_a_part_has_ended(authorised, worldpay):
    capture = operation(authorised, CAPTURE, 800, State.PENDING)
    worldpay("CANCELLED")
    assert checked(authorised, "cancelled", 450) == "unknown"
    settle(capture, State.REFUSED)
    assert checked(authorised, "cancelled", OWED) == "confirmed"


def test_a_cancellation_is_a_contradiction_where_no_rest_can_be(authorised, worldpay):
    operation(authorised, CAPTURE, OWED)
    worldpay("CANCELLED")
    assert checked(authorised, "cancelled", OWED) == "confirmed"


@pytest.mark.parametrize("event", ["cancelled", "expired"])
def test_the_notified_end_of_the_rest_leaves_the_payment_as_it_is(authorised, worldpay, event):
    operation(authorised, CAPTURE, 800)
    Payment.objects.update(state=PaymentState.PARTIALLY_CAPTURED)
    notified(authorised, event)
    for saga in Saga.objects.filter(kind="asking"):
        answered(saga, outcome="confirmed", event=event.upper())
    authorised.payment.refresh_from_db()
    assert authorised.payment.state == PaymentState.PARTIALLY_CAPTURED


@pytest.mark.parametrize("is_proven", [True, False])
def test_an_authorisation_has_not_expired_if_money_is_kept_that_we_do_not_know_of(
    authorised, worldpay, is_proven
):
    """Only the rest has expired. The notification of the capture is late, or was lost."""
    settle(operation(authorised, CAPTURE, 800), State.REFUSED)
    worldpay("EXPIRED", 800)
    assert checked(authorised, "expired", OWED, is_proven=is_proven) == "unclear"
    assert (
        "captured 8.00 GBP, which is not in our books" in Fact.objects.get(kind="claim_unclear").data["why"]
    )
    worldpay("EXPIRED", 0)
    assert checked(authorised, "expired", OWED, is_proven=is_proven) == "confirmed"


@pytest.mark.parametrize("state", [State.DONE, State.PENDING])
def test_a_rest_has_expired_beside_our_own_capture(authorised, worldpay, state):
    operation(authorised, CAPTURE, 800, state)
    worldpay("EXPIRED", 800)
    assert checked(authorised, "expired", OWED) == "confirmed"


def test_money_may_be_that_of_a_capture_of_ours_which_is_just_being_sent(authorised, worldpay):
    """The capture's answer comes in a moment. A question to staff would then be about a booked capture."""
    capture = operation(authorised, CAPTURE, 800, State.REQUESTED)
    worldpay("EXPIRED", 800)
    assert checked(authorised, "expired", OWED) == "unknown"
    settle(capture, State.DONE)
    assert checked(authorised, "expired", OWED) == "confirmed"


def test_a_notified_cancellation_is_asked_about_while_nothing_is_captured(authorised):
    operation(authorised, CAPTURE, 800, State.PENDING)
    notified(authorised, "cancelled")
    assert Saga.objects.get(kind="asking").data["claim"] == EventKind.CANCELLED


@pytest.mark.parametrize("event", ["CAPTURED", "CANCELLED", "EXPIRED"])
def test_a_review_agrees_with_what_is_kept(authorised, worldpay, event):
    Payment.objects.update(state=PaymentState.CONFLICTED)
    operation(authorised, CAPTURE, 800)
    worldpay(event, 800)
    assert reviewed(authorised) == "held"
    assert Fact.objects.filter(kind="review_held").exists()


def test_a_review_adopts_no_refund_of_which_only_the_captures_of_a_part_would_tell(authorised, worldpay):
    Payment.objects.update(state=PaymentState.CONFLICTED)
    operation(authorised, CAPTURE, 800)
    worldpay("CAPTURED", 500)
    assert reviewed(authorised) == "stands"
    assert why() == "The refunds at the provider come to 3.00 GBP, ours to 0.00 GBP."
    assert adopted() == []


def test_staff_read_what_the_provider_has_kept(authorised, worldpay):
    capture = lost(authorised, CAPTURE, 800)
    worldpay("CAPTURED", 800)
    inquire_operation(capture)
    fact = Fact.objects.get(kind="inquire_capture_approved")
    assert fact.data["position"] == f"captured and not given back {Money(800, 'GBP')}"
