"""Settle a payment by the figures that staff have found in the provider's books.

A review relies only on the provider's answer, which seldom shows enough if it has no sums. Staff can look
into the provider's books instead. If their figures equal ours, nothing changes and no signal is sent.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from django.utils import timezone

from checkout.localised_money import localised_money
from checkout.payments.books.apply import adopt, end_doubt, fail_refund
from checkout.payments.books.compare_events import FOUND_BY_STAFF
from checkout.payments.books.figures import (
    SETTLEMENT_APPLIED,
    Reckoning,
    TheirBooks,
    contradicting_beside,
    holders_beside,
    is_let_go,
    is_open_beside,
    may_hold_money_beside,
    reckon,
    state_after,
)
from checkout.payments.books.ours import NOT_FOUND
from checkout.payments.checkout_messages import FiguresFound
from checkout.payments.events import move_attempt, move_operation
from checkout.payments.locking import locked_attempt, locked_payment_of
from checkout.payments.models import Attempt, Difference, Fact, Operation, Payment, PostponedComparison, Saga
from checkout.payments.models.payment import PAYMENT_SETTLED
from checkout.payments.models.reconciliation import OPEN_DIFFERENCE
from checkout.payments.models.saga import UNFINISHED
from checkout.payments.sagas.movement import follow_sums, move_payment_if_allowed
from checkout.payments.sagas.operations.opening import open_capture
from checkout.payments.sagas.orchestration import orchestrator
from checkout.payments.sagas.orchestration.locking import sagas_of_payment
from checkout.payments.sagas.purchase.data import with_taken
from checkout.payments.sagas.purchase.flow import Purchase
from checkout.payments.sagas.settlement.matter import Matter, seen_of_payment
from checkout.payments.sagas.settlement.settleable import (
    NOTHING_TO_SETTLE,
    OF_AN_ATTEMPT,
    attempts_to_settle,
    obstacle_to_settling,
)
from checkout.payments.sagas.signals import Signal
from checkout.payments.sagas.waiters import reply_with_state
from checkout.payments.totals import OPEN
from checkout.states import (
    COUNTED,
    OPEN_ATTEMPTS,
    Actor,
    AttemptEvent,
    AttemptState,
    PaymentState,
    payment_machine,
)
from messaging.compiled_queries import insert_in_batch
from messaging.worker.service import Message

Kind = Operation.Kind
# The differences of sums that staff enter, and the note on an order whose money all went back.
_ENTERED = (Difference.Kind.CAPTURED, Difference.Kind.REFUNDED, Difference.Kind.CHARGED_BACK)
_NOTHING_KEPT = "Staff settled the payment: of this order, nothing is kept."


def obstacle(attempt: Attempt, theirs: TheirBooks | None = None) -> str:
    """Return why staff cannot settle the payment in this way, and what to do instead; empty if they can.

    Without ``theirs``, only check if the payment can be settled at all now. Unless the rows are locked, the
    answer may be out of date at once.
    """
    why = obstacle_to_settling(attempt)
    if why or theirs is None:
        return why
    return _obstacle_to_sums(attempt, theirs) or _obstacle_of_others(attempt, theirs)


def _obstacle_to_sums(attempt: Attempt, theirs: TheirBooks) -> str:
    owed = attempt.payment.amount
    if theirs.captured.currency != owed.currency:
        return f"The payment is in {owed.currency}."
    if any(each.minor < 0 for each in (theirs.captured, theirs.refunded, theirs.charged_back)):
        return "An amount is not less than nothing."
    if owed < theirs.captured:
        return f"No more than {localised_money(owed)} can have been captured: that is what was authorised."
    if not theirs.captured.minor and (theirs.refunded.minor or theirs.charged_back.minor):
        return "Nothing can go back of what was never captured. Say how much was captured as well."
    if theirs.captured < theirs.charged_back:
        captured = localised_money(theirs.captured)
        return f"No more than {captured} can have been charged back: that is what was captured."
    return reckon(attempt, theirs).why


def _obstacle_of_others(attempt: Attempt, theirs: TheirBooks) -> str:
    if not theirs.has_money:
        return ""
    if others := contradicting_beside(attempt):
        return (
            f"The attempt {others[0].order_code} contradicts us as well. Settle that one first, as one of "
            "which nothing was captured and nothing is held."
        )
    if others := holders_beside(attempt):
        return (
            f"The attempt {others[0].order_code} holds money, too, and a payment is only taken once. Have "
            "one of them released or refunded at the provider, and settle that one first, as one of which "
            "nothing was captured and nothing is held."
        )
    return ""


@dataclass(slots=True)
class FiguresMatter(Matter):
    """An attempt, and the figures that staff have found for it in the provider's books.

    Operations that our books lack are added as done, and are posted by their sagas. Operations that the
    provider lacks are refused and booked back. Then the payment follows the sums, as after a review.
    """

    sagas: list[Saga]
    theirs: TheirBooks

    noun = "attempt"
    fact = PAYMENT_SETTLED

    @classmethod
    def locked(cls, found: FiguresFound) -> Self | None:
        """Return the matter with its rows under lock; None if there is no such attempt."""
        attempt = Attempt.objects.filter(order_code=found.attempt).first()
        if attempt is None:
            return None
        sagas = sagas_of_payment(attempt)
        payment, attempt = locked_payment_of(attempt), locked_attempt(attempt.pk)
        attempt.payment = payment
        return cls(payment, attempt, sagas, TheirBooks.of(found))

    @property
    def seen_now(self) -> str:
        return seen_of_payment(self.payment)

    @property
    def said(self) -> str:
        return self.theirs.in_words

    @property
    def details(self) -> Mapping[str, object]:
        return {"lacks": sorted(self.theirs.lacks)} if self.theirs.lacks else {}

    @property
    def obstacle(self) -> str:
        if not attempts_to_settle(self.payment):
            return NOTHING_TO_SETTLE
        if self.attempt not in attempts_to_settle(self.payment):
            return f"No money of the attempt {self.attempt.order_code} was ever held."
        return obstacle(self.attempt, self.theirs)

    def carry_out(self, by: str, message: Message, *, is_as_seen: bool) -> None:
        payment, attempt, theirs, sagas = self.payment, self.attempt, self.theirs, self.sagas
        reckoning = reckon(attempt, theirs)
        state, move = state_after(attempt, theirs, reckoning), _move_of(attempt, theirs)
        insert_in_batch(_applied(attempt, theirs, by))
        _settle_differences(attempt, theirs, by)
        waits = any(each.kind == Purchase.kind and each.status in UNFINISHED for each in sagas)
        if not (reckoning.has_changes or move or payment.state != state or waits):
            return
        _correct_the_books(payment, attempt, reckoning, by)
        if move:
            move_attempt(payment, attempt, move, Actor.STAFF)
        if attempt.capture_reference and theirs.is_held and not theirs.captured.minor:
            open_capture(attempt)
        if not is_open_beside(attempt):
            _move_payment(payment, state, message)
            _tell_of_end(payment, attempt, theirs, sagas, message)
        own = [saga for saga in sagas if saga.attempt_id == attempt.pk]
        if not theirs.captured.minor:
            # This comes before the signals of captures that are taken back: a purchase whose money staff
            # found ignores those.
            _tell_purchases(own, Signal.REVIEW_NOT_CAPTURED, message, payment)
        if not theirs.has_money:
            # If nothing is held at all, the purchase has heard that by now. If it went on although another
            # attempt has the money, it would confirm the order, or void, and the void would call the other
            # attempt's money released.
            _tell_purchases(own, Signal.HELD_ELSEWHERE, message, payment)
        news = {each.reference: Signal.UNDONE for each in reckoning.undone}
        news |= {each.reference: Signal.REFUSED for each in reckoning.given_up}
        news |= {each.reference: Signal.ARRIVED for each in (*reckoning.arrived, *reckoning.confirmed)}
        for saga in sagas:
            if saga.key in news:
                orchestrator.signal(saga, news[saga.key], message, payment)


def _correct_the_books(payment: Payment, attempt: Attempt, reckoning: Reckoning, by: str) -> None:
    for operation in (*reckoning.undone, *reckoning.given_up, *reckoning.arrived, *reckoning.confirmed):
        # Staff's figures outweigh a notification that contradicts an operation.
        end_doubt(operation)
    for operation in (*reckoning.undone, *reckoning.given_up):
        if operation.kind == Kind.REFUND:
            fail_refund(payment, operation)
        else:
            move_operation(payment, operation, Operation.State.REFUSED, refusal_reason=NOT_FOUND)
    for operation in reckoning.arrived:
        move_operation(payment, operation, Operation.State.DONE)
    for kind, amount in reckoning.booked:
        adopt(attempt, kind, amount.minor, reason=FOUND_BY_STAFF, by=by)


def _move_of(attempt: Attempt, theirs: TheirBooks) -> AttemptEvent | None:
    """Return the event that moves the attempt to the end that staff found: with money, or without.

    An attempt whose authorisation was released stays authorised, unless another attempt may hold the money.
    """
    if theirs.has_money:
        return None if attempt.state == AttemptState.AUTHORISED else "settled_as_authorised"
    is_undecided = attempt.state in (AttemptState.CONFLICTED, *OPEN_ATTEMPTS)
    is_over = attempt.state == AttemptState.AUTHORISED and is_let_go(attempt, theirs)
    return "settled_as_refused" if is_undecided or is_over else None


def _move_payment(payment: Payment, state: PaymentState, message: Message) -> None:
    """Move the payment to ``state``.

    The payment follows its sums. If its present state has no transition to that of the sums, it first moves
    by the event that staff found.
    """
    earlier, is_held = PaymentState(payment.state), state != PaymentState.VOIDED
    is_led_on = payment_machine.event_between(earlier, state, COUNTED) is not None
    if earlier != state and (earlier.is_under_way or not is_led_on):
        event = "settled_as_held" if is_held else "settled_as_released"
        move_payment_if_allowed(payment, event, Actor.STAFF, message)
    if is_held or payment.state != state:
        follow_sums(payment, message)


def _tell_of_end(
    payment: Payment, attempt: Attempt, theirs: TheirBooks, sagas: list[Saga], message: Message
) -> None:
    """Tell the payment's waiters and purchases that its money is known now."""
    reply_with_state(payment, payment.waiters.all(), message)
    if not theirs.has_money and not holders_beside(attempt):
        # The purchase of another attempt, which was settled before, may have confirmed the order.
        _tell_purchases(sagas, Signal.REVIEW_RELEASED, message, payment)
    elif theirs.has_money:
        own = [saga for saga in sagas if saga.kind == Purchase.kind and saga.attempt_id == attempt.pk]
        signal = Signal.REVIEW_HELD
        if theirs.captured.minor and not attempt.operations.filter(kind=Kind.CAPTURE, state__in=OPEN):
            signal = Signal.REVIEW_GIVEN_BACK if theirs.is_given_back else Signal.REVIEW_CAPTURED
            for purchase in own:
                purchase.data = with_taken(purchase.data, theirs.captured.minor)
        _tell_purchases(own, signal, message, payment)


def _tell_purchases(sagas: Iterable[Saga], name: Signal, message: Message, payment: Payment) -> None:
    for saga in sagas:
        if saga.kind == Purchase.kind:
            orchestrator.signal(saga, name, message, payment)


def _applied(attempt: Attempt, theirs: TheirBooks, by: str) -> Fact:
    return Fact(
        payment_id=attempt.payment_id,
        attempt_id=attempt.pk,
        source=Actor.STAFF,
        kind=SETTLEMENT_APPLIED,
        data={"by": by, "said": theirs.in_words},
    )


def _settle_differences(attempt: Attempt, theirs: TheirBooks, by: str) -> None:
    """Resolve the differences of the sums that staff have entered.

    The provider may no longer report its sums; then no comparison would resolve them. A comparison that does
    get sums opens the differences again. A payment that was restored from a backup is unlocked.

    If all money of an attempt went back because another attempt pays, staff enter it as one without a
    capture. Its differences never end, so they count as dealt with until another sum is found.
    """
    PostponedComparison.objects.filter(payment=attempt.payment_id, is_lock=True).update(is_lock=False)
    found = Difference.objects.filter(
        OPEN_DIFFERENCE, account=attempt.provider_account_id, order_code=attempt.order_code
    )
    if theirs.has_money:
        found.filter(kind__in=_ENTERED).update(resolved_at=timezone.now())
        return
    sums = {difference.kind: difference.theirs_minor for difference in found}
    captured = sums.get(Difference.Kind.CAPTURED, 0)
    if not captured or not may_hold_money_beside(attempt):
        return
    if captured == sums.get(Difference.Kind.REFUNDED, 0) + sums.get(Difference.Kind.CHARGED_BACK, 0):
        found.filter(kind__in=OF_AN_ATTEMPT).update(
            dealt_with_at=timezone.now(), dealt_with_by=by[:150], dealt_with_note=_NOTHING_KEPT
        )
