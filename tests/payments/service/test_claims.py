"""Queries to the provider about notifications that no operation of ours explains."""

import pytest

from checkout.database.append_only import erasing_on_purpose
from checkout.money import Money
from checkout.payments.messages import CheckClaim
from checkout.payments.models import Attempt, Fact, Operation, OutboxMessage
from checkout.payments.providers.base import EventKind, WholePosition
from checkout.payments.service import service
from tests.payments.service.asking import authorise, let_settle, operation_on, settle
from tests.payments.service.delivering import command, deliver
from tests.support.memory_provider.books import OrderState

pytestmark = pytest.mark.django_db
CAPTURE, REFUND = Operation.Kind.CAPTURE, Operation.Kind.REFUND
State = Operation.State


def checked(attempt: Attempt, claim: str, operation: str = "", *, is_proven: bool = True) -> str:
    body = CheckClaim(
        payment=attempt.payment.reference,
        attempt=attempt.order_code,
        claim=claim,
        operation=operation,
        is_proven=is_proven,
    )
    return str(deliver(service, command(body)).result["outcome"])


def test_a_capture_that_was_made_behind_our_back_is_confirmed(authorised, books):
    books.orders[authorised.order_code].captured = Money(1250, "GBP")
    assert checked(authorised, "captured") == "confirmed"
    assert Fact.objects.get(kind="claim_confirmed").data["claim"] == "captured"


def test_a_lie_is_denied(authorised):
    for claim in ("captured", "cancelled", "refunded", "expired", "charged_back"):
        assert checked(authorised, claim) == "denied"


def test_what_an_operation_explains_by_now_is_no_contradiction(authorised, books):
    books.orders[authorised.order_code].captured = Money(1250, "GBP")
    settle(operation_on(authorised, Operation.Kind.CAPTURE), Operation.State.PENDING)
    assert checked(authorised, "captured") == "denied"


def test_a_refused_operation_explains_nothing(authorised, books):
    books.orders[authorised.order_code].state = OrderState.CANCELLED
    void = operation_on(authorised, Operation.Kind.VOID)
    void.state = Operation.State.REFUSED
    void.save()
    assert checked(authorised, "cancelled") == "confirmed"


def operation(attempt: Attempt, kind: str, minor: int, state: str) -> str:
    made = operation_on(attempt, kind, minor)
    made.state = state
    made.save()
    return made.reference


@pytest.fixture
def refunds(authorised, books):
    """Create a refused refund and one that is done. Return the provider's order and the refused refund."""
    order = books.orders[authorised.order_code]
    order.captured = order.amount
    operation(authorised, CAPTURE, 1250, State.DONE)
    operation(authorised, REFUND, 300, State.DONE)
    return order, operation(authorised, REFUND, 529, State.REFUSED)


def test_more_than_we_know_of_is_confirmed_although_another_operation_explains_the_event(authorised, refunds):
    order, refused = refunds
    order.refunded = Money(830, "GBP")
    assert checked(authorised, "refunded", refused) == "confirmed"


def test_what_we_know_of_is_no_confirmation_of_another(authorised, refunds):
    order, refused = refunds
    order.refunded = Money(300, "GBP")
    assert checked(authorised, "refunded", refused) == "denied"


def test_what_may_be_one_that_is_under_way_or_the_refused_one_is_asked_about_again(authorised, refunds):
    order, refused = refunds
    under_way = operation(authorised, REFUND, 421, State.PENDING)
    order.refunded = Money(721, "GBP")
    assert checked(authorised, "refunded", refused) == "unknown"
    Operation.objects.filter(reference=under_way).update(state=State.DONE)
    assert checked(authorised, "refunded", refused, is_proven=False) == "denied"


@pytest.mark.parametrize(
    ("refunded", "is_proven", "outcome"),
    [(529, True, "undecided"), (529, False, "denied"), (528, True, "denied")],
)
def test_a_sum_that_another_explains_does_not_deny_a_proven_one_that_it_has_room_for(
    authorised, refunds, refunded, is_proven, outcome
):
    """The other refund may have failed meanwhile, with a late notification."""
    order, refused = refunds
    Operation.objects.filter(kind=REFUND, state=State.DONE).update(amount_minor=refunded)
    order.refunded = Money(refunded, "GBP")
    assert checked(authorised, "refunded", refused, is_proven=is_proven) == outcome


def test_without_sums_another_operation_neither_denies_nor_confirms_it(authorised, refunds, scenarios):
    order, refused = refunds
    order.refunded = Money(829, "GBP")
    scenarios.tell("inquire", position=None)
    assert checked(authorised, "refunded", refused) == "undecided"


def test_a_refund_that_is_said_to_have_failed_and_is_not_in_the_sums_is_asked_about_again(
    authorised, refunds
):
    """The refund may have been returned, or not be booked yet."""
    order, _ = refunds
    done = Operation.objects.get(kind=REFUND, state=State.DONE).reference
    order.refunded = Money(0, "GBP")
    assert checked(authorised, "refund_failed", done) == "unknown"
    order.refunded = Money(300, "GBP")
    assert checked(authorised, "refund_failed", done) == "denied"


def test_a_failure_that_names_no_refund_is_no_more_than_a_rumour_until_the_provider_says_so(
    authorised, refunds, scenarios
):
    """Sums may lack a refund that only a forged notification reported as done."""
    order, _ = refunds
    order.refunded = Money(0, "GBP")
    assert checked(authorised, "refund_failed") == "denied"
    scenarios.tell("inquire", kind=EventKind.REFUND_FAILED)
    assert checked(authorised, "refund_failed") == "confirmed"
    order.refunded = Money(300, "GBP")
    assert checked(authorised, "refund_failed") == "denied"


def test_an_answer_that_is_older_than_what_we_know_confirms_nothing(authorised, refunds, scenarios):
    order, refused = refunds
    order.refunded = Money(829, "GBP")
    scenarios.meanwhile("inquire", lambda: operation(authorised, REFUND, 529, State.DONE))
    assert checked(authorised, "refunded", refused) == "unknown"


def test_a_provider_that_cannot_be_asked_leaves_it_open(authorised, settings):
    settings.CHECKOUT_PROVIDER_CREDENTIALS = {}
    assert checked(authorised, "captured") == "unknown"


def test_the_attempt_is_not_moved(authorised, books):
    books.orders[authorised.order_code].state = OrderState.CANCELLED
    checked(authorised, "cancelled")
    authorised.refresh_from_db()
    assert authorised.state == Attempt.State.AUTHORISED


@pytest.mark.parametrize("end", ["refused", "not_sent", "expired"])
def test_money_held_for_an_attempt_that_had_ended_puts_it_aside_for_staff(authorised, end):
    Attempt.objects.update(state=end)
    assert checked(authorised, "authorised") == "confirmed"
    authorised.refresh_from_db()
    assert authorised.state == Attempt.State.CONFLICTED


def test_a_lie_about_an_attempt_that_had_ended_is_denied(attempt):
    authorise(attempt, "refuse")
    assert checked(attempt, "authorised") == "denied"
    attempt.refresh_from_db()
    assert attempt.state == Attempt.State.REFUSED


def test_money_held_for_an_attempt_that_is_authorised_by_now_is_no_news(authorised):
    assert checked(authorised, "authorised") == "denied"
    authorised.refresh_from_db()
    assert authorised.state == Attempt.State.AUTHORISED


def test_an_order_that_the_provider_denies_is_no_answer_about_its_money(authorised, books):
    """Staff had found the authorisation, which no answer has reported."""
    with erasing_on_purpose():
        Fact.objects.all().delete()
    let_settle(authorised)
    books.orders.clear()
    for is_proven in (True, False):
        assert checked(authorised, "captured", is_proven=is_proven) == "unknown"


def test_an_authorisation_that_was_released_again_holds_nothing(authorised, books):
    Attempt.objects.update(state=Attempt.State.EXPIRED)
    books.orders[authorised.order_code].state = OrderState.CANCELLED
    assert checked(authorised, "authorised") == "denied"


def test_an_order_that_never_arrived_is_denied(attempt):
    Attempt.objects.update(state=Attempt.State.NOT_SENT)
    assert checked(attempt, "authorised") == "denied"


def test_a_denial_of_the_order_does_not_deny_what_the_provider_has_notified(attempt):
    """Some orders become visible only hours later."""
    Attempt.objects.update(state=Attempt.State.NOT_SENT)
    Fact.objects.create(
        payment=attempt.payment, attempt=attempt, source="provider", kind="notified_authorised"
    )
    assert checked(attempt, "authorised") == "unknown"


def says(scenarios, kind, *, refunded=None, captured=1250):
    """Make the provider answer with this last event, and with sums if any are given."""
    position = None
    if refunded is not None:
        sums = (Money(minor, "GBP") for minor in (1250, captured, refunded))
        position = WholePosition(**dict(zip(("authorised", "captured", "refunded"), sums, strict=True)))
    scenarios.tell("inquire", kind=kind, position=position)


def test_a_settlement_confirms_a_capture(authorised, scenarios):
    says(scenarios, EventKind.SETTLED)
    assert checked(authorised, "captured") == "confirmed"
    operation(authorised, CAPTURE, 1250, State.DONE)
    assert checked(authorised, "captured") == "denied"


def test_a_refund_that_failed_and_was_made_after_all_is_made(authorised, scenarios):
    operation(authorised, CAPTURE, 1250, State.DONE)
    failed = operation(authorised, REFUND, 300, State.REFUSED)
    says(scenarios, EventKind.REFUNDED)
    assert checked(authorised, "refunded", failed) == "booked"
    assert Operation.objects.get(reference=failed).state == State.DONE
    assert OutboxMessage.objects.get(type="checkout.apply_provider_event").body


@pytest.mark.parametrize(("refunded", "outcome"), [(None, "undecided"), (500, "booked"), (600, "confirmed")])
def test_beside_other_refunds_only_sums_say_that_it_is_the_one_that_was_made(
    authorised, scenarios, refunded, outcome
):
    operation(authorised, CAPTURE, 1250, State.DONE)
    operation(authorised, REFUND, 200, State.DONE)
    failed = operation(authorised, REFUND, 300, State.REFUSED)
    says(scenarios, EventKind.REFUNDED, refunded=refunded)
    assert checked(authorised, "refunded", failed) == outcome
    made = Operation.objects.get(reference=failed).state == State.DONE
    assert made == (outcome == "booked")


def test_while_the_provider_contradicts_us_staff_need_not_wait_for_what_another_may_explain(
    authorised, scenarios
):
    """Two refunds have one amount: the first failed and was made after all, and the second is open."""
    operation(authorised, CAPTURE, 1250, State.DONE)
    operation(authorised, REFUND, 300, State.UNKNOWN)
    failed = failed_refund(authorised, 300)
    says(scenarios, EventKind.REFUNDED, refunded=300)
    assert checked(authorised, "refunded", failed) == "unknown"
    Attempt.objects.update(state=Attempt.State.CONFLICTED)
    assert checked(authorised, "refunded", failed) == "undecided"
    assert state_of(failed) == State.REFUSED


def failed_refund(attempt: Attempt, minor: int) -> str:
    """Create a refund that the provider accepted and later reported as failed."""
    reference = operation(attempt, REFUND, minor, State.REFUSED)
    Operation.objects.filter(reference=reference).update(refusal_reason="refund_failed")
    return reference


def state_of(reference: str) -> str:
    return Operation.objects.get(reference=reference).state


@pytest.mark.parametrize(
    ("refunded", "outcome"),
    [
        (300, "booked"),  # the pending refund is not booked yet
        (500, "booked"),  # both are booked
        (200, "unknown"),  # this may be the pending one
        (600, "confirmed"),  # an unknown refund is booked as well
    ],
)
def test_a_refund_that_was_made_after_all_need_not_wait_for_one_under_way(
    authorised, scenarios, refunded, outcome
):
    operation(authorised, CAPTURE, 1250, State.DONE)
    operation(authorised, REFUND, 200, State.PENDING)
    failed = failed_refund(authorised, 300)
    says(scenarios, EventKind.REFUNDED, refunded=refunded)
    assert checked(authorised, "refunded", failed) == outcome


@pytest.mark.parametrize(("refunded", "outcome"), [(100, "unknown"), (300, "booked"), (400, "booked")])
def test_the_named_one_of_two_failed_refunds_was_made_if_there_is_room_for_it(
    authorised, scenarios, refunded, outcome
):
    operation(authorised, CAPTURE, 1250, State.DONE)
    other, failed = failed_refund(authorised, 100), failed_refund(authorised, 300)
    says(scenarios, EventKind.REFUNDED, refunded=refunded)
    assert checked(authorised, "refunded", failed) == outcome
    assert state_of(other) == State.REFUSED


def test_none_of_two_failed_refunds_was_made_without_sums(authorised, scenarios):
    operation(authorised, CAPTURE, 1250, State.DONE)
    _, failed = failed_refund(authorised, 100), failed_refund(authorised, 300)
    says(scenarios, EventKind.REFUNDED)
    assert checked(authorised, "refunded", failed) == "undecided"
    assert state_of(failed) == State.REFUSED


def test_a_hint_names_none_of_two_failed_refunds_until_both_were_made(authorised, scenarios):
    operation(authorised, CAPTURE, 1250, State.DONE)
    _, failed = failed_refund(authorised, 300), failed_refund(authorised, 300)
    says(scenarios, EventKind.REFUNDED, refunded=300)
    assert checked(authorised, "refunded", failed, is_proven=False) == "unknown"
    says(scenarios, EventKind.REFUNDED, refunded=600)
    assert checked(authorised, "refunded", failed, is_proven=False) == "booked"


def test_without_sums_a_stranger_s_word_makes_no_failed_refund(authorised, scenarios):
    operation(authorised, CAPTURE, 1250, State.DONE)
    failed = failed_refund(authorised, 300)
    says(scenarios, EventKind.REFUNDED)
    assert checked(authorised, "refunded", failed, is_proven=False) == "undecided"
    assert state_of(failed) == State.REFUSED
    assert checked(authorised, "refunded", failed) == "booked"


@pytest.mark.parametrize(("number", "outcome"), [(1, "booked"), (2, "confirmed")])
def test_a_refund_that_nobody_names_is_the_only_one_that_failed(authorised, scenarios, number, outcome):
    operation(authorised, CAPTURE, 1250, State.DONE)
    for _ in range(number):
        failed_refund(authorised, 300)
    says(scenarios, EventKind.REFUNDED, refunded=300)
    assert checked(authorised, "refunded") == outcome


def test_what_an_issuer_took_is_not_taken_for_a_refund_that_a_stranger_tells_of(authorised, scenarios):
    operation(authorised, CAPTURE, 1250, State.DONE)
    operation(authorised, Operation.Kind.CHARGE_BACK, 300, State.DONE)
    says(scenarios, EventKind.CHARGED_BACK, refunded=300)
    assert checked(authorised, "refunded", is_proven=False) == "denied"


def test_a_failure_is_not_denied_by_what_an_issuer_took(authorised, scenarios):
    operation(authorised, CAPTURE, 1250, State.DONE)
    operation(authorised, Operation.Kind.CHARGE_BACK, 300, State.DONE)
    operation(authorised, REFUND, 300, State.DONE)
    says(scenarios, EventKind.REFUND_FAILED, refunded=300)
    assert checked(authorised, "refund_failed") == "confirmed"
