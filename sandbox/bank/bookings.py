"""Bookings of plans: captures, refunds, settlements and disputes, each with its notification."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sandbox.books.books import Books, Kind
from sandbox.books.orders import Order, fold
from sandbox.books.plans import Plan, Plans, Wait
from sandbox.faults.fault_settings import BookingKnob, Knobs
from sandbox.faults.record import FaultRecord
from sandbox.notifications.outgoing import Outgoing
from sandbox.traits import Trait, happens

UNSELECTED: dict[Kind, Trait] = {
    Kind.CAPTURED: "captured_unselected",
    Kind.SETTLED: "settled_unselected",
    Kind.REFUNDED: "refunded_unselected",
}


BOOKED_AS = {Kind.CAPTURE_REQUESTED: Kind.CAPTURED, Kind.REFUND_REQUESTED: Kind.REFUNDED}


class Bookings:
    """The bookings of one bank. Booking happens in the caller's transaction."""

    def __init__(
        self,
        books: Books,
        plans: Plans,
        outgoing: Outgoing,
        knobs: Knobs[BookingKnob],
        fault_record: FaultRecord,
        seed: str,
    ) -> None:
        self._books = books
        self._plans = plans
        self._outgoing = outgoing
        self._knobs = knobs
        self._fault_record = fault_record
        self._seed = seed

    def request(self, order: Order, kind: Kind, amount: int, reference: str = "") -> None:
        """Accept the request for a capture or refund, and plan its booking.

        A capture that the bank makes by itself has no reference.
        """
        self._books.append(order.code, kind, amount=amount, reference=reference)
        plan = Plan(
            order_code=order.code,
            kind=BOOKED_AS[kind],
            wait="late_booking" if "booked_late" in order.traits else "settle",
            amount=amount,
            reference=reference,
        )
        plan = replace(plan, id=self._plans.add(plan))
        if "refund_refused_online" in order.traits and kind == Kind.REFUND_REQUESTED:
            # The issuer authorises some refunds online (developer.worldpay.com/docs/wpg/reference/: "the
            # payment can transition from Captured to Refund_Failed").
            self._book(plan, amount, {"is_final": True}, kind=Kind.REFUND_FAILED)
            return
        is_synchronous = "synchronous_replies" in order.traits and kind == Kind.CAPTURE_REQUESTED
        if "early_notification" in order.traits or is_synchronous:
            self.carry_out(plan)

    def authorised(self, order: Order) -> None:
        """Plan the expiry of an authorisation that has the trait for it, in case nothing is captured."""
        if "expires" in order.traits:
            self._plans.add(Plan(order_code=order.code, kind=Kind.EXPIRED, wait="expiry"))

    def carry_out(self, plan: Plan) -> None:
        """Book a plan, send its notification, and plan the steps that follow."""
        order = self._order(plan.order_code)
        match plan.kind:
            case Kind.CAPTURED:
                self._capture(order, plan)
            case Kind.REFUNDED:
                self._refund(order, plan)
            case Kind.EXPIRED:
                self._book(plan, 0 if order.capture_requested else order.left_to_capture)
            case Kind.SETTLED:
                self._book(plan, plan.amount)
            case Kind.CHARGED_BACK:
                left = order.left_to_refund
                self._book(plan, max(1, left // 2) if plan.detail["is_part"] and left > 0 else left)
            case Kind.CHARGEBACK_REVERSED:
                self._book(plan, order.charged_back)
            case _:
                self._book(plan, order.amount)

    def _capture(self, order: Order, plan: Plan) -> None:
        if self._knobs.strike(f"CAPTURED {order.code}"):
            self._fault_record.note(order.code, "booking", Kind.CAPTURE_FAILED)
            self._book(plan, plan.amount, kind=Kind.CAPTURE_FAILED)
            return
        self._book(plan, plan.amount)
        if "releases_rest" in order.traits:
            self._release_rest(self._order(plan.order_code))
        if "settled" in order.traits:
            self._follow(plan, Kind.SETTLED, "settlement", amount=plan.amount)
        if order.captured == 0 and {"charged_back", "chargeback_reversed"} & {*order.traits}:
            self._dispute(order, plan)

    def _release_rest(self, order: Order) -> None:
        """Release the part that was not requested for capture. The last event stays that of the capture.

        For half of the orders, a notification says that the rest was cancelled.
        """
        if order.left_to_capture <= 0:
            return
        self._books.append(order.code, Kind.REST_RELEASED, amount=order.left_to_capture)
        if happens(self._seed, order.code, "the release of the rest is notified"):
            self._outgoing.announce(self._order(order.code), "CANCELLED", order.left_to_capture)

    def _dispute(self, order: Order, plan: Plan) -> None:
        """Plan a request for information, a charge-back of the whole sum or a part, and perhaps its reversal.

        Between the steps that move money are steps that only hold or release it.
        """
        steps = [Kind.INFORMATION_REQUESTED, Kind.DISPUTED_FUNDS_HELD, Kind.CHARGED_BACK]
        if "chargeback_reversed" in order.traits:
            steps += [Kind.CHARGEBACK_REVERSED, Kind.DISPUTED_FUNDS_RELEASED]
        is_part = happens(self._seed, order.code, "part of it is charged back")
        for number, kind in enumerate(steps, start=1):
            self._follow(plan, kind, "dispute", times=number, is_part=is_part)

    def _refund(self, order: Order, plan: Plan) -> None:
        if self._knobs.strike(f"REFUNDED {order.code}"):
            self._fault_record.note(order.code, "booking", Kind.REFUND_FAILED)
            self._book(plan, plan.amount, {"is_final": True}, kind=Kind.REFUND_FAILED)
        elif "refund_failed_then_refunded" in order.traits and not plan.detail.get("has_failed"):
            self._fault_record.note(order.code, "booking", "refund_failed_then_refunded")
            self._book(plan, plan.amount, {"is_final": False}, kind=Kind.REFUND_FAILED)
            self._follow(plan, Kind.REFUNDED, "refund_again", amount=plan.amount, has_failed=True)
        else:
            self._book(plan, plan.amount)

    def _book(
        self, plan: Plan, amount: int, detail: Mapping[str, Any] | None = None, *, kind: Kind | None = None
    ) -> None:
        """Append the plan's entry to the books and queue its notification; with no amount, a lapsed entry."""
        kind = plan.kind if kind is None else kind
        if amount <= 0:
            self._books.append(plan.order_code, Kind.LAPSED, settles=plan.id)
            return
        self._books.append(
            plan.order_code,
            kind,
            amount=amount,
            reference=plan.reference,
            settles=plan.id,
            detail=detail,
        )
        order = self._order(plan.order_code)
        if kind in (Kind.REFUNDED, Kind.REFUND_FAILED):
            self._announce_sent(order, plan, amount, is_made=kind == Kind.REFUNDED)
        if UNSELECTED.get(kind) not in order.traits:
            self._outgoing.announce(order, kind.value.upper(), amount, plan.reference)

    def _announce_sent(self, order: Order, plan: Plan, amount: int, *, is_made: bool) -> None:
        """Queue the event SENT_FOR_REFUND, which comes before that of a made or failed refund.

        The issuer authorises some of the refunds that are made. If the account does not select the event
        REFUNDED, no message reports the others as made.
        """
        is_authorised = is_made and happens(self._seed, order.code, f"refund {plan.reference} is authorised")
        self._outgoing.announce(
            order,
            "SENT_FOR_REFUND",
            amount,
            plan.reference,
            refund_authorisation=order.authorisation_id if is_authorised else "null",
        )

    def _follow(
        self, plan: Plan, kind: Kind, wait: Wait, *, times: int = 1, amount: int = 0, **detail: bool
    ) -> None:
        """Plan a step that follows this one."""
        self._plans.add(
            Plan(
                order_code=plan.order_code,
                kind=kind,
                wait=wait,
                times=times,
                amount=amount,
                reference=plan.reference,
                detail=detail,
            )
        )

    def _order(self, order_code: str) -> Order:
        order = fold(self._books.entries(order_code))
        if order is None:
            raise LookupError(order_code)
        return order
