"""Staff, who handle parked sagas and payments that contradict the provider."""

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from checkout.conf import conf
from checkout.errors import CheckoutError, OperationRejected
from checkout.payments import actions
from checkout.payments.providers.base import EventKind
from checkout.payments.sagas.settlement.settleable import OF_AN_ATTEMPT
from tests.simulation.chance import QUEUED_SECONDS
from tests.simulation.web import Unanswered
from tests.support.claims import Truth, net_sums, settle_claim_by, settle_payment_by
from tests.support.memory_provider.books import Movement, Order, OrderState
from tests.support.settling import settle_operation

if TYPE_CHECKING:
    from tests.simulation.world import World

HOUR = 3600.0
OPERATIONS = {
    "capture": EventKind.CAPTURED,
    "void": EventKind.CANCELLED,
    "refund": EventKind.REFUNDED,
}
# Steps of a parked purchase whose order is to be confirmed.
CONFIRMING = ("confirm_order", "money_returned")
ENDED = ("done", "refused")
# The bounds of the seconds after which a hasty clerk decides about a parked saga.
HASTY_SECONDS = (1.0, 60.0)
# The bounds of the seconds that have passed since the second clerk opened the page.
OLD_PAGE_SECONDS = (0.0, 12 * HOUR)
UNANSWERED = """
SELECT started_at AS 'at [datetime]' FROM payments_providercall
WHERE key = ? AND outcome IN ('', 'unknown', 'pending')
"""
SEEN = """
SELECT s.version || '.' || (SELECT COUNT(*) FROM payments_operation o
WHERE o.attempt_id = s.attempt_id AND o.kind IN ('charge_back', 'charge_back_reversal'))
FROM payments_saga s WHERE s.id = ?
"""
# The number of visits during the schedule, with growing pauses, and of visits at its end. At the end staff
# look up everything that they can, instead of sometimes only resuming sagas.
VISITS = 5
LAST_VISITS = 8
# Before each of the last visits staff wait, because a request may still be in flight.
LAST_PAUSE_SECONDS = 300.0


class Staff:
    """Staff with access to the bank's books, in which they search for our references."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._chance = world.chance
        self._last_visits = LAST_VISITS * (2 if self._chance.has_queue else 1)
        # The payments with differing sums according to reconciliation. Asking the bank once more would not
        # help.
        self._explained: set[str] = set()
        # The payments of which staff have looked up a claim, while the gateway may lack other movements.
        self._looked_up: set[str] = set()

    async def run(self) -> None:
        """Visit a few times while things happen."""
        pause_seconds = self._chance.between(HOUR, 6 * HOUR)
        for _ in range(VISITS):
            await self._world.sleep(pause_seconds)
            self._visit(tries_again=True)
            pause_seconds *= 2

    def sees_parking(self, saga: int) -> None:
        """Perhaps let a hasty clerk decide at once, although a request may still be in flight."""
        if self._chance.happens("clerk_hasty"):
            seconds = self._chance.seconds_of("clerk_hasty", *HASTY_SECONDS)
            self._world.later(seconds, lambda: self._decide_hastily(saga))

    def _decide_hastily(self, saga: int) -> None:
        """Say that an operation did not arrive, as it is not visible yet. The gateway must refuse that."""
        for _, kind, key, _, order_code, _, state in (each for each in self._parked() if each[0] == saga):
            if kind not in OPERATIONS or state in ENDED or self._has_arrived(kind, key, order_code):
                continue
            if self._may_be_on_its_way(self._sent_at(key)):
                what = "says at once that it did not arrive:"
                self._world.spawn(self._do(what, f"{kind} {key}", self._say_hastily(key)))

    def _say_hastily(self, reference: str) -> Callable[[], object]:
        def say() -> None:
            sent_at = self._sent_at(reference)
            settle_operation(reference, arrived=False, by="hasty", reason="It is not to be seen.")
            # The decision may have taken so long that it was right in the end.
            if self._may_be_on_its_way(sent_at):
                violation = f"I2: {reference} may be on its way, and was said not to arrive"
                self._world.violations.append(violation)

        return say

    def _sent_at(self, reference: str) -> float | None:
        """Return the time at which an unanswered request was sent; None if there is none."""
        sent = self._world.rows.execute(UNANSWERED, (reference,)).fetchone()
        return sent and self._world.clock.seconds_until(str(sent[0]))

    def _may_be_on_its_way(self, sent_at: float | None) -> bool:
        return sent_at is not None and self._world.clock.now < sent_at + conf.settling_time.total_seconds()

    def look_around(self) -> bool:
        """Plan a visit at the end. Return False if no saga waits for staff, or all visits are used up."""
        self._last_visits -= 1
        parked = self._parked()
        waiting = parked or self._conflicted() or self._differing() or self._unlike_in_portal()
        if self._last_visits < 0 or not waiting:
            return False
        waits = [self._seconds_until_shown(kind, key, code) for _, kind, key, _, code, *_ in parked]
        pause_seconds = max([LAST_PAUSE_SECONDS, *waits])
        self._world.later(pause_seconds, lambda: self._visit(tries_again=False))
        return True

    def sees_differences(self) -> bool:
        """Return True if a comparison of the books found a difference that is still there."""
        return bool(self._differing())

    def _parked(self) -> list[tuple[Any, ...]]:
        return self._world.rows.execute(
            "SELECT s.id, s.kind, s.key, s.step, a.order_code, p.reference, o.state FROM payments_saga s "
            "LEFT JOIN payments_operation o ON o.kind = s.kind AND o.reference = s.key "
            "JOIN payments_attempt a ON a.id = s.attempt_id JOIN payments_payment p ON p.id = s.payment_id "
            "WHERE s.status = 'parked' ORDER BY s.id"
        ).fetchall()

    def _conflicted(self) -> list[tuple[str]]:
        return self._world.rows.execute(
            "SELECT reference FROM payments_payment WHERE state = 'conflicted' ORDER BY id"
        ).fetchall()

    def _differing(self) -> list[tuple[str]]:
        """Return the payments whose sums differ from the bank's, as reconciliation found.

        Orders that were given up are left out.
        """
        found = self._world.rows.execute(
            "SELECT DISTINCT p.reference, d.order_code FROM payments_difference d "
            "JOIN payments_payment p ON p.id = d.payment_id "
            "WHERE d.resolved_at IS NULL AND p.state <> 'conflicted' "
            f"AND d.kind IN {tuple(map(str, OF_AN_ATTEMPT))} ORDER BY p.id"
        ).fetchall()
        return [(reference,) for reference, code in found if code not in self._world.bank.given_up]

    def _unlike_in_portal(self) -> list[tuple[str]]:
        """Return the payments whose sums differ from the bank's, and of which staff know the bank's sums.

        They know them because somebody acted in the portal, or because staff gave up an operation that was
        booked with another amount, or looked up a claim.
        """
        at_rest = self._world.rows.execute(
            "SELECT reference, id FROM payments_payment p WHERE state <> 'conflicted' AND NOT EXISTS "
            "(SELECT 1 FROM payments_saga s WHERE s.payment_id = p.id AND status IN ('running', 'parked')) "
            "ORDER BY id"
        ).fetchall()
        known = self._world.bank.used_portal | self._looked_up
        known |= self._world.bank.differing & self._explained
        used = [each for each in at_rest if each[0] in known]
        return [(reference,) for reference, key in used if self._ours(key) != self._theirs(reference)]

    def _ours(self, payment: int) -> tuple[int, int, int]:
        done: Counter[str] = Counter()
        for kind, minor in self._world.rows.execute(
            "SELECT kind, amount_minor FROM payments_operation WHERE payment_id = ? AND state = 'done'",
            (payment,),
        ):
            done[kind] += minor
        return net_sums(done)

    def _theirs(self, reference: str) -> tuple[int, int, int]:
        bank = self._world.bank
        codes = {code for code in bank.books.orders if code.startswith(f"{reference}-")} - bank.given_up
        truths = [self._truth_of(code) for code in codes]
        return (
            sum(each.captured for each in truths),
            sum(each.refunded for each in truths),
            sum(each.charged_back for each in truths),
        )

    def _visit(self, *, tries_again: bool) -> None:
        parked, conflicted = self._parked(), self._conflicted()
        for number, kind, key, step, order_code, payment, state in parked:
            # A refund that is done may be in doubt. Other sagas of an ended operation are only resumed.
            has_ended = state == "refused" or (state == "done" and kind != "refund")
            if key in self._world.bank.other_amounts and state != "done" and not has_ended:
                # The bank booked an amount that we did not request. The operation is given up, and the booked
                # amount is entered. If the operation was reported as failed, staff say that it failed.
                self._explained.add(payment)
                gives_up = not self._is_doubted(number)
                self._world.spawn(
                    self._do("gives up", f"{kind} {key}", self._settle(key, number, False, gives_up))
                )
            elif kind == "void" and not has_ended and self._is_captured_in_portal(payment, order_code):
                self._enter_figures(payment)
            elif kind == "void" and not has_ended and self._can_only_be_refunded(order_code):
                self._give_back_in_portal(payment, order_code)
            elif kind in OPERATIONS and not has_ended and (not tries_again or self._chance.of(0.9)):
                if not self._seconds_until_shown(kind, key, order_code):
                    self._settle_as_found(number, kind, key, order_code)
            elif kind == "purchase" and step == "inquire" and self._chance.of(0.5):
                # The provider does not say how the attempt ended, so staff have looked it up.
                self._enter_figures(payment)
            elif kind == "purchase" and step == "void" and payment in self._world.bank.used_portal:
                # The order can be neither captured nor voided, as a part was captured in the portal.
                self._enter_figures(payment)
            elif kind == "purchase" and step in CONFIRMING and self._cannot_be_confirmed(payment):
                if self._world.bank.never_gets_through(order_code):
                    self._give_back_in_portal(payment, order_code)
                else:
                    self._world.spawn(self._do("gives back", payment, self._give_back(payment, number)))
            elif kind == "asking" and step == "check" and (not tries_again or self._chance.of(0.7)):
                settle = self._settle_claim(number, order_code, payment, is_last=not tries_again)
                self._world.spawn(self._do("settles", f"{kind} {key}", settle))
            elif kind == "purchase" and any((each[1], each[4]) == (step, order_code) for each in parked):
                # The purchase goes on once its own operation is settled. Until then it would only ask again.
                continue
            elif tries_again or (payment,) not in conflicted or (kind in OPERATIONS and not has_ended):
                # A saga that is resumed goes on, and its payment cannot be settled meanwhile.
                self._world.spawn(self._do("resumes", f"{kind} {key}", self._try_again(number)))
        for (reference,) in dict.fromkeys([*self._differing(), *self._unlike_in_portal()]):
            self._enter_figures(reference)
        for (reference,) in conflicted:
            self._give_up_spare(reference)
            self._world.spawn(self._do("looks into", reference, self._settle_payment(reference)))

    def _enter_figures(self, reference: str) -> None:
        """Settle a payment by the bank's sums, which staff know without asking the bank first."""
        self._explained.add(reference)
        self._give_up_spare(reference)
        self._world.spawn(self._do("looks into", reference, self._settle_payment(reference)))

    def _give_up_spare(self, reference: str) -> None:
        """Cancel or refund, in the portal, all orders of a payment with money but one.

        The order that is kept is the one about which our books know the most.
        """
        bank = self._world.bank
        orders = [order for code, order in bank.books.orders.items() if code.startswith(f"{reference}-")]
        live = [order for order in orders if order.state == OrderState.AUTHORISED]
        live = [order for order in live if order.order_code not in bank.given_up]
        if len(live) < 2 or any(order.under_way for order in live):
            return
        known = dict(
            self._world.rows.execute(
                "SELECT a.order_code, COUNT(o.id) + (a.state = 'authorised') FROM payments_attempt a "
                "LEFT JOIN payments_operation o ON o.attempt_id = a.id AND o.state <> 'refused' GROUP BY a.id"
            )
        )
        live.sort(key=lambda order: int(known.get(order.order_code, 0)))
        for spare in live[:-1]:
            bank.used_portal.add(reference)
            bank.given_up.add(spare.order_code)
            self._explained.add(reference)
            self._world.trace.note("staff", "gives up", spare.order_code)
            left = spare.captured - spare.asked_for(EventKind.REFUNDED) - spare.charged_back
            if left.minor > 0:
                bank.move(spare, EventKind.REFUNDED, left)
            elif not spare.captured.minor:
                bank.cancel(spare)

    def _is_captured_in_portal(self, payment: str, order_code: str) -> bool:
        used_portal = payment in self._world.bank.used_portal
        return used_portal and self._world.bank.books.orders[order_code].captured.minor > 0

    def _can_only_be_refunded(self, order_code: str) -> bool:
        """Return True if an order was captured in part, and the provider never accepts our void of it."""
        bank = self._world.bank
        return bank.never_gets_through(order_code) and bank.books.orders[order_code].captured.minor > 0

    def _cannot_be_confirmed(self, reference: str) -> bool:
        """Return True if the order was called off, or its stock was released and sold since."""
        ended = self._world.rows.execute(
            "SELECT 1 FROM orders_reservation WHERE payment_reference = ?1 AND state = 'cancelled' UNION ALL "
            "SELECT 1 FROM payments_fact f JOIN payments_payment p ON p.id = f.payment_id "
            "WHERE p.reference = ?1 AND f.kind = 'saga_parked' AND f.data LIKE '%sold since%'",
            (reference,),
        )
        return ended.fetchone() is not None

    def _give_back(self, reference: str, number: int) -> Callable[[], object]:
        """Return a function that refunds or voids a payment whose order cannot be confirmed any more.

        If no money is left to give back, the function resumes the payment's purchase, which then ends.
        """

        def give_back() -> None:
            left = actions.available(reference)
            if left.refundable.minor:
                actions.request_refund(reference, by="staff")
            elif left.can_be_voided:
                actions.request_void(reference, by="staff")
            else:
                actions.resume_saga(number, by="staff")

        return give_back

    def _give_back_in_portal(self, payment: str, order_code: str) -> None:
        """Refund or cancel, in the portal, an order about which the provider accepts none of our requests."""
        bank = self._world.bank
        order = bank.books.orders[order_code]
        left = order.captured - order.asked_for(EventKind.REFUNDED) - order.charged_back
        bank.used_portal.add(payment)
        if left.minor > 0:
            bank.move(order, EventKind.REFUNDED, left)
        elif order.state == OrderState.AUTHORISED and not order.asked_for(EventKind.CAPTURED).minor:
            bank.cancel(order)
        self._enter_figures(payment)

    def _settle_as_found(self, number: int, kind: str, key: str, order_code: str) -> None:
        bank, never_gets_through = self._world.bank, self._world.bank.never_gets_through(order_code)
        if kind == "void" and never_gets_through:
            # Staff release the order in the portal, as the provider does not accept our request.
            bank.cancel(bank.books.orders[order_code])
        has_arrived = self._has_arrived(kind, key, order_code)
        if has_arrived:
            bank.looked_up(key)
        # The page shows the answer to the latest copy. If it is a refusal, another copy would be refused,
        # too.
        query = "SELECT 1 FROM payments_providercall WHERE key = ? AND outcome = 'refused'"
        is_refused = self._world.rows.execute(query, (key,)).fetchone() is not None
        is_lost = not has_arrived and kind != "void" and not self._is_doubted(number)
        gives_up = is_lost and (is_refused or never_gets_through or self._chance.staff_give_up())
        what = "says that it arrived:" if has_arrived else "says that it did not arrive:"
        settle = self._settle(key, number, has_arrived, gives_up)
        self._world.spawn(self._do("gives up" if gives_up else what, f"{kind} {key}", settle))
        if self._chance.happens("clerk_second"):
            seconds = self._chance.seconds_of("clerk_second", *OLD_PAGE_SECONDS)
            seen = self._seen_of(number)
            second = self._settle_by_old_page(key, number, has_arrived, seen)
            what = "decides by an old page on"
            self._world.later(
                0.0 if self._chance.seconds_of("clerk_second", 0, 1) < 0.5 else seconds,
                lambda: self._world.spawn(self._do(what, f"{kind} {key}", second)),
            )

    def _seen_of(self, number: int) -> str:
        """Return the version of a saga's question that the form of its page contains."""
        (seen,) = self._world.rows.execute(SEEN, (number,)).fetchone()
        return str(seen)

    def _settle_by_old_page(
        self, reference: str, number: int, has_arrived: bool, seen: str
    ) -> Callable[[], object]:
        """Return a function with which a second clerk decides what the first one has decided already.

        If the saga has gone on since that clerk opened the page, the gateway must refuse the decision.
        """

        def settle() -> None:
            is_old = self._seen_of(number) != seen
            said: dict[str, Any] = {"arrived": has_arrived, "seen": seen}
            settle_operation(reference, by="colleague", reason="Looked up at the bank.", **said)
            if is_old:
                self._world.violations.append(f"I7: a decision on {reference} was taken from an old page")

        return settle

    def _is_doubted(self, number: int) -> bool:
        """Return True for a refund that is reported as failed, about which staff have other choices."""
        query = "SELECT json_extract(data, '$.is_doubted') FROM payments_saga WHERE id = ?"
        return bool(self._world.rows.execute(query, (number,)).fetchone()[0])

    def _seconds_until_shown(self, kind: str, reference: str, order_code: str) -> float:
        """Return the seconds until the bank's books must show a capture or refund, if it arrived at all.

        Staff cannot tell a request that waits at the bank from one that never arrived. So they wait, as the
        page says.
        """
        is_movement = kind in ("capture", "refund")
        if not is_movement or not self._chance.has_queue or self._has_arrived(kind, reference, order_code):
            return 0.0
        query = (
            "SELECT coalesce(c.started_at, o.created_at) AS 'at [datetime]' FROM payments_operation o "
            "LEFT JOIN payments_providercall c ON c.key = o.reference WHERE o.reference = ?"
        )
        (sent,) = self._world.rows.execute(query, (reference,)).fetchone()
        since = self._world.clock.now - (self._world.clock.seconds_until(str(sent)) or 0.0)
        return max(0.0, QUEUED_SECONDS[1] + HOUR - since)

    def _has_arrived(self, kind: str, reference: str, order_code: str) -> bool:
        order = self._world.bank.books.orders[order_code]
        if kind == "void":
            return order.state == OrderState.CANCELLED
        return reference in self._names(order, OPERATIONS[kind])

    def _names(self, order: Order, kind: EventKind) -> frozenset[str]:
        """Return our references of captures or refunds, even of one that the bank made by itself.

        A movement that was booked with another amount is left out.
        """
        query = "SELECT capture_reference FROM payments_attempt WHERE order_code = ?"
        (included,) = self._world.rows.execute(query, (order.order_code,)).fetchone() or ("",)
        others = self._world.bank.other_amounts
        ours = [each for each in self._seen(order, kind) if each.reference not in others]
        return frozenset(each.reference or included for each in ours)

    def _seen(self, order: Order, kind: EventKind) -> list[Movement]:
        """Return the captures or refunds that the bank shows, with accepted ones unless they are queued."""
        hidden = order.under_way if self._world.bank.is_queued(order) else []
        return [each for each in order.taken if each.kind == kind and each not in hidden]

    def _settle(self, reference: str, number: int, arrived: bool, gives_up: bool) -> Callable[[], object]:
        """Return a function that settles an operation, or resumes its saga if the gateway says so."""

        def settle() -> None:
            try:
                reason = "Looked up at the bank."
                settle_operation(reference, arrived=arrived, gives_up=gives_up, by="staff", reason=reason)
            except OperationRejected as advice:
                if "Try its saga again" not in str(advice):
                    raise
                actions.resume_saga(number, by="staff")

        return settle

    def _settle_claim(
        self, number: int, order_code: str, payment: str, *, is_last: bool
    ) -> Callable[[], object]:
        """Return a function that settles a claim or, as the last resort, enters the payment's figures."""

        def settle() -> None:
            try:
                settle_claim_by(self._look_up(order_code), number, by="staff")
                if self._world.bank.has_kept_silent:
                    # Staff have seen the order's sums, and those of a dispute that was not notified.
                    self._looked_up.add(payment)
            except OperationRejected as advice:
                if not is_last or "settle the payment by figures" not in str(advice):
                    raise
                self._explained.add(payment)
                self._settle_payment(payment)()

        return settle

    def _look_up(self, order_code: str) -> Truth:
        """Return the truth as staff enter it. All operations that staff have seen may become done now."""
        order = self._world.bank.books.orders.get(order_code)
        if order is not None:
            seen = [*self._seen(order, EventKind.CAPTURED), *self._seen(order, EventKind.REFUNDED)]
            for movement in seen:
                self._world.bank.looked_up(movement.reference or order_code)
        return self._truth_of(order_code)

    def _truth_of(self, order_code: str) -> Truth:
        order = self._world.bank.books.orders.get(order_code)
        if order is None or order_code in self._world.bank.given_up:
            # The page tells staff to enter an order that was given up as an order without a capture.
            return Truth(captured=0, refunded=0, charged_back=0)
        return Truth(
            captured=sum(each.amount.minor for each in self._seen(order, EventKind.CAPTURED)),
            refunded=sum(each.amount.minor for each in self._seen(order, EventKind.REFUNDED)),
            made=self._names(order, EventKind.REFUNDED),
            taken=self._names(order, EventKind.CAPTURED),
            charged_back=order.charged_back.minor,
            is_held=order.state == OrderState.AUTHORISED,
            is_released=order.state == OrderState.CANCELLED,
            has_expired=order.state == OrderState.EXPIRED,
        )

    def _settle_payment(self, reference: str) -> Callable[[], object]:
        """Return a function that orders a review or, after a vain review, settles by the bank's books."""

        def settle() -> None:
            is_explained = reference in self._explained
            if settle_payment_by(self._look_up, reference, by="staff", is_explained=is_explained):
                self._world.trace.note("staff", "settles", reference)
            else:
                actions.review_payment(reference, by="staff", reason="It contradicts us.")

        return settle

    def _try_again(self, number: int) -> Callable[[], object]:
        return lambda: actions.resume_saga(number, by="staff")

    async def _do(self, what: str, about: str, operation: Callable[[], object]) -> None:
        while True:
            try:
                await self._world.request(operation)
            except Unanswered:
                await self._world.sleep(self._chance.between(1, 5))
            except CheckoutError as error:
                self._world.trace.note("staff", "may not: it", what, about, str(error))
                return
            else:
                self._world.trace.note("staff", what, about)
                return
