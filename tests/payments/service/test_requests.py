"""Requests for captures, voids and refunds: limits, permissions, and repetitions."""

from collections.abc import Callable

import msgspec
import pytest

from checkout.errors import (
    AmountNotAvailable,
    DuplicateRequest,
    IllegalTransition,
    OperationRejected,
    PaymentNotFound,
    RefundableDiffers,
    RequestInvalid,
)
from checkout.money import Money
from checkout.payments.actions import (
    OperationView,
    available,
    cancel_payment,
    operations_of,
    request_capture,
    request_refund,
    request_void,
)
from checkout.payments.checkout_messages import StartOperation
from checkout.payments.models import Attempt, Fact, Merchant, Operation, OutboxMessage, Payment
from checkout.states import PaymentState
from tests.payments.service.asking import operation_on

pytestmark = pytest.mark.django_db
State = Operation.State
ASK: dict[str, Callable[..., OperationView]] = {
    "capture": request_capture,
    "refund": request_refund,
    "void": request_void,
}


@pytest.fixture
def reference(attempt: Attempt) -> str:
    """Return the reference of an authorised payment of 12.50 GBP."""
    attempt.state = Attempt.State.AUTHORISED
    attempt.save()
    become(attempt, PaymentState.AUTHORISED)
    return str(attempt.payment.reference)


def become(attempt: Attempt, state: str) -> None:
    Payment.objects.filter(pk=attempt.payment_id).update(state=state)


def gbp(minor: int) -> Money:
    return Money(minor, "GBP")


def made(attempt: Attempt, kind: str, minor: int, state: str = State.DONE) -> Operation:
    operation = operation_on(attempt, kind, minor)
    Operation.objects.filter(pk=operation.pk).update(state=state)
    return operation


def test_a_request_is_a_row_a_fact_and_a_command_to_carry_it_out(reference):
    asked = request_capture(reference, amount=gbp(500), by="ada", reason="Sent in part")
    operation = Operation.objects.get(reference=asked.reference)
    assert (operation.kind, operation.amount, operation.state) == ("capture", gbp(500), State.REQUESTED)
    assert (operation.requested_by, operation.reason) == ("ada", "Sent in part")
    row = OutboxMessage.objects.get(type="checkout.start_operation")
    body = msgspec.json.decode(row.body, type=StartOperation)
    assert body == StartOperation(payment=reference, operation=asked.reference)
    fact = Fact.objects.get(kind="capture_requested_by")
    assert (fact.source, fact.data["by"], fact.data["reason"]) == ("staff", "ada", "Sent in part")
    assert operations_of(reference) == [asked]


def test_no_amount_means_all_that_is_left(attempt, reference):
    made(attempt, "capture", 501)
    assert request_capture(reference, by="ada").amount == gbp(749)
    assert request_refund(reference, by="ada").amount == gbp(501)


def test_several_parts_may_be_captured_and_no_more_than_the_whole(reference):
    for minor in (500, 250, 500):
        request_capture(reference, amount=gbp(minor), by="ada")
    with pytest.raises(AmountNotAvailable) as refused:
        request_capture(reference, amount=gbp(1), by="ada")
    assert (refused.value.requested, refused.value.available) == (gbp(1), gbp(0))


@pytest.mark.parametrize("state", [State.REQUESTED, State.PENDING, State.UNKNOWN, State.DONE])
def test_everything_but_what_was_refused_counts(attempt, reference, state):
    made(attempt, "capture", 1000, state)
    made(attempt, "capture", 250, State.REFUSED)
    with pytest.raises(AmountNotAvailable) as refused:
        request_capture(reference, amount=gbp(251), by="ada")
    assert refused.value.available == gbp(250)


@pytest.mark.parametrize("state", [State.REQUESTED, State.PENDING, State.UNKNOWN, State.REFUSED])
def test_only_what_has_certainly_been_captured_can_be_refunded(attempt, reference, state):
    made(attempt, "capture", 1000, state)
    with pytest.raises(AmountNotAvailable):
        request_refund(reference, amount=gbp(1), by="ada")


@pytest.mark.parametrize("state", [State.REQUESTED, State.PENDING, State.UNKNOWN, State.DONE])
def test_refunds_never_exceed_captures(attempt, reference, state):
    made(attempt, "capture", 1000)
    made(attempt, "refund", 900, state)
    with pytest.raises(AmountNotAvailable) as refused:
        request_refund(reference, amount=gbp(101), by="ada")
    assert refused.value.available == gbp(100)
    assert request_refund(reference, by="ada").amount == gbp(100)


@pytest.mark.parametrize("state", [State.REQUESTED, State.PENDING, State.UNKNOWN, State.DONE])
def test_what_is_or_may_be_captured_cannot_be_voided(attempt, reference, state):
    made(attempt, "capture", 1, state)
    with pytest.raises(IllegalTransition):
        request_void(reference, by="ada")


def test_after_a_refused_capture_the_authorisation_can_be_voided_once(attempt, reference):
    made(attempt, "capture", 1250, State.REFUSED)
    assert request_void(reference, by="ada").amount == gbp(1250)
    with pytest.raises(IllegalTransition):
        request_void(reference, by="ada")
    with pytest.raises(AmountNotAvailable):
        request_capture(reference, by="ada")


def test_what_a_purchase_could_neither_capture_nor_release_can_be_voided_and_no_more(attempt, reference):
    become(attempt, PaymentState.CONFIRMING)
    made(attempt, "capture", 1250, State.REFUSED)
    with pytest.raises(IllegalTransition):
        request_capture(reference, by="ada")
    assert available(reference).can_be_voided
    assert request_void(reference, by="ada").amount == gbp(1250)


@pytest.mark.parametrize("kind", ASK)
@pytest.mark.parametrize(
    "state", sorted({*PaymentState} - {"authorised", "capture_pending", "partially_captured", "captured"})
)
def test_nothing_is_done_to_a_payment_whose_state_does_not_allow_it(attempt, reference, kind, state):
    if state not in ("void_pending", "partially_refunded", "refunded"):
        become(attempt, state)
        with pytest.raises(IllegalTransition):
            ASK[kind](reference, by="ada")
    assert not Operation.objects.exists()


@pytest.mark.parametrize("kind", ASK)
def test_nothing_is_done_without_an_authorised_attempt(attempt, reference, kind):
    Attempt.objects.update(state=Attempt.State.CONFLICTED)
    with pytest.raises(IllegalTransition):
        ASK[kind](reference, by="ada")


@pytest.mark.parametrize("amount", [Money(0, "GBP"), Money(-1, "GBP"), Money(100, "EUR")])
def test_an_amount_is_positive_and_in_the_payment_s_currency(attempt, reference, amount):
    made(attempt, "capture", 1000)
    for request in (request_capture, request_refund):
        with pytest.raises(OperationRejected):
            request(reference, amount=amount, by="ada")
    assert Operation.objects.count() == 1


@pytest.mark.parametrize("kind", ASK)
def test_the_same_key_is_the_same_operation_whatever_became_of_it(attempt, reference, kind):
    if kind == "refund":
        made(attempt, "capture", 1000)
    asked = ASK[kind](reference, idempotency_key="k1", by="ada")
    Operation.objects.filter(reference=asked.reference).update(state=State.REFUSED)
    become(attempt, PaymentState.CONFLICTED)
    again = ASK[kind](reference, idempotency_key="k1", by="bob")
    assert (again.reference, again.state, again.requested_by) == (asked.reference, State.REFUSED, "ada")
    assert OutboxMessage.objects.filter(type="checkout.start_operation").count() == 1


def test_a_key_that_was_used_for_something_else_is_refused(attempt, reference):
    made(attempt, "capture", 500)
    request_capture(reference, amount=gbp(100), idempotency_key="k1", by="ada")
    with pytest.raises(DuplicateRequest):
        request_capture(reference, amount=gbp(101), idempotency_key="k1", by="ada")
    with pytest.raises(DuplicateRequest):
        request_refund(reference, amount=gbp(100), idempotency_key="k1", by="ada")
    with pytest.raises(DuplicateRequest):
        request_void(reference, idempotency_key="k1", by="ada")


@pytest.mark.parametrize("key", ["k" * 101, "a\0b"])
def test_a_key_that_cannot_be_stored_is_refused(reference, key):
    with pytest.raises(OperationRejected):
        request_capture(reference, idempotency_key=key, by="ada")


def test_requests_without_a_key_are_different_requests(reference):
    first = request_capture(reference, amount=gbp(100), by="ada")
    assert request_capture(reference, amount=gbp(100), by="ada").reference != first.reference


def test_the_clock_is_not_staff(reference):
    request_void(reference, idempotency_key="authorisation_expired", by="clock")
    assert Fact.objects.get(kind="void_requested_by").source == "clock"


def test_a_card_number_in_a_reason_is_not_kept(reference):
    asked = request_capture(reference, by="ada", reason="Card 4444333322221111 \0" + "x" * 300)
    operation = Operation.objects.get(reference=asked.reference)
    assert "4444333322221111" not in operation.reason
    assert len(operation.reason) <= 200
    assert "4444333322221111" not in str(Fact.objects.get(kind="capture_requested_by").data)


@pytest.mark.parametrize("ask", [*ASK.values(), lambda reference, by: available(reference)])
def test_an_unknown_payment_is_not_found(db, ask):
    with pytest.raises(PaymentNotFound):
        ask("pay_none", by="ada")


def test_what_is_available_is_what_may_be_asked_for(attempt, reference):
    assert available(reference).can_be_voided
    made(attempt, "capture", 700)
    made(attempt, "capture", 300, State.PENDING)
    made(attempt, "refund", 200, State.UNKNOWN)
    now = available(reference)
    assert (now.authorised, now.captured) == (gbp(1250), gbp(700))
    assert (now.capturable, now.refundable, now.can_be_voided) == (gbp(250), gbp(500), False)
    become(attempt, PaymentState.CONFLICTED)
    now = available(reference)
    assert (now.capturable, now.refundable, now.can_be_voided) == (gbp(0), gbp(0), False)


def test_an_authorisation_that_has_lapsed_is_not_shown_as_held(attempt, reference):
    assert available(reference).authorised == gbp(1250)
    become(attempt, PaymentState.EXPIRED)
    assert available(reference).authorised == gbp(0)


def test_nothing_is_available_of_a_payment_that_is_not_authorised(attempt):
    now = available(attempt.payment.reference)
    assert (now.authorised, now.capturable, now.refundable) == (gbp(0), gbp(0), gbp(0))
    assert not now.can_be_voided


def test_the_rest_of_a_payment_that_is_charged_back_in_part_may_be_refunded(attempt, reference):
    become(attempt, PaymentState.CHARGED_BACK)
    made(attempt, "capture", 1250)
    made(attempt, "charge_back", 300)
    now = available(reference)
    assert (now.captured, now.charged_back, now.refundable) == (gbp(1250), gbp(300), gbp(950))
    with pytest.raises(AmountNotAvailable):
        request_refund(reference, amount=gbp(951), by="ada")
    assert request_refund(reference, by="ada").amount == gbp(950)


def test_nothing_may_be_refunded_while_nobody_has_said_how_much_is_charged_back(attempt, reference):
    become(attempt, PaymentState.CHARGED_BACK)
    made(attempt, "capture", 1250)
    assert available(reference).refundable == gbp(0)
    with pytest.raises(IllegalTransition):
        request_refund(reference, by="ada")


def test_two_clerks_do_not_refund_the_same_money(attempt, reference):
    made(attempt, "capture", 1000)
    request_refund(reference, amount=gbp(300), expected_refundable=gbp(1000), by="ada")
    with pytest.raises(RefundableDiffers) as raised:
        request_refund(reference, amount=gbp(300), expected_refundable=gbp(1000), by="bob")
    assert (raised.value.expected, raised.value.available) == (gbp(1000), gbp(700))
    assert Operation.objects.filter(kind="refund").count() == 1


def test_after_a_final_capture_nothing_more_is_captured_unless_it_is_refused(attempt, reference):
    final = request_capture(reference, amount=gbp(500), final_capture=True, by="ada")
    assert available(reference).capturable == gbp(0)
    with pytest.raises(AmountNotAvailable):
        request_capture(reference, amount=gbp(1), by="ada")
    Operation.objects.filter(reference=final.reference).update(state=State.REFUSED)
    assert available(reference).capturable == gbp(1250)


def test_an_operation_has_the_payment_s_metadata_below_its_own(attempt, reference):
    Payment.objects.update(metadata={"a": "1", "b": "1"})
    request_capture(reference, amount=gbp(5), metadata={"b": "2"}, by="ada")
    assert Operation.objects.get().metadata == {"a": "1", "b": "2"}
    Payment.objects.update(metadata={str(number): "" for number in range(50)})
    with pytest.raises(RequestInvalid):
        request_capture(reference, metadata={"one more": ""}, by="ada")


@pytest.mark.parametrize("kind", ASK)
def test_the_payment_of_another_merchant_is_not_found(attempt, reference, kind):
    other = Merchant.objects.create(code="other", name="Another")
    with pytest.raises(PaymentNotFound):
        ASK[kind](reference, merchant=other, by="api")
    with pytest.raises(PaymentNotFound):
        cancel_payment(reference, merchant=other, by="api")
    assert not Operation.objects.exists()


def test_a_merchant_s_program_is_named_as_the_one_that_asked(attempt, reference):
    request_capture(reference, merchant=attempt.payment.merchant, by="key of the shop")
    fact = Fact.objects.get(kind="capture_requested_by")
    assert (fact.source, fact.data["by"]) == ("merchant", "key of the shop")


@pytest.mark.parametrize("verb", ASK)
def test_a_program_s_reason_has_no_card_number_in_it(attempt: Attempt, verb: str):
    payment = attempt.payment
    with pytest.raises(RequestInvalid) as raised:
        ASK[verb](
            payment.reference, by="API key", merchant=payment.merchant, reason="card 4444 3333 2222 1111"
        )
    assert raised.value.field == "reason"
    assert not Operation.objects.exists()
