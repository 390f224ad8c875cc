"""The bank behind the provider: requests, later decisions and bookings, and the issuers' charge-backs."""

import json
import math
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING

from checkout.conf import conf
from checkout.money import Money
from checkout.payments.providers.base import Authorisation, EventKind, ProviderResult
from tests.simulation.habits import Habits, drawn
from tests.simulation.post import ACCOUNT, MERCHANT_CODE, PORTAL, Post
from tests.simulation.tokens import Tokens
from tests.support.memory_provider.books import (
    Books,
    Movement,
    Order,
    OrderState,
    books_of,
    forget_books,
)
from tests.support.memory_provider.order import USUALLY_ANNOUNCED, Manners
from tests.support.memory_provider.provider import MemoryProvider

if TYPE_CHECKING:
    from tests.simulation.twin import Twin
    from tests.simulation.world import World

__all__ = ["ACCOUNT", "MERCHANT_CODE", "Bank"]

HOUR = 3600.0
DAY = 24 * HOUR

# The bounds of the seconds after which a provider can carry out requests about an order again.
MENDED_SECONDS = (600.0, 12 * HOUR)
# Operations that never arrived according to staff, or that staff have withdrawn.
GIVEN_UP = """
SELECT 1 FROM payments_operation
WHERE reference = ? AND (is_withdrawn OR (state = 'refused' AND refusal_reason = 'not_found_at_provider'))
"""
ASKED = "SELECT amount_minor FROM payments_operation WHERE reference = ?"

NOTIFIED_ONLY = """
SELECT 1 FROM payments_attempt a JOIN payments_fact f ON f.attempt_id = a.id
WHERE a.order_code = ? AND a.state IN ('submitted', 'unknown')
AND f.kind IN ('notified_authorised', 'notified_captured')
"""


class Bank:
    """The simulated bank: it checks requests, books pending movements, and posts notifications."""

    def __init__(self, world: "World") -> None:
        forget_books()
        self._world = world
        self._chance = world.chance
        self._post = Post(world)
        self._posted = 0
        self._authorisations: set[str] = set()
        self._habits: dict[str, Habits] = {}
        self._kindness = world.chance.one_of((1.0, 0.5, 0.0))
        self._disputes = world.chance.one_of((0.0, 0.4), (2, 1))
        self.books.manners_for = self._manners_for
        # The captures and refunds that became done before the bank booked them.
        self.premature: list[tuple[str, str]] = []
        self._certain: set[str] = set()
        # Orders that were to be captured with their authorisation, and for which the issuer does not pay.
        self.unpaid: set[str] = set()
        self.tokens = Tokens(world, self.books)
        self._copies: dict[str, list[tuple[float, Order]]] = {}
        self._shown_at: dict[str, float] = {}
        self._hidden: dict[str, float] = {}
        # Refunds that were reported as failed and made after all. Staff may have requested another one
        # meanwhile.
        self._made_after_all: list[Movement] = []
        # The payments with orders that somebody changed in the portal.
        self.used_portal: set[str] = set()
        # The orders that were cancelled or refunded in the portal because another order of the payment was
        # captured. No more money moves with them: staff have entered that nothing was captured.
        self.given_up: set[str] = set()
        self._portal_movements = 0
        # The answers that are held up on their way to a process, by the reference of the request, and the
        # references of requests of which another copy has arrived since.
        self.held_answers: dict[str, ProviderResult] = {}
        self.copied: set[str] = set()
        # The references of captures and refunds whose requests get no answer.
        self.unanswered: set[str] = set()
        # The times until which requests may be in flight.
        self._on_their_way: dict[str, float] = {}
        self._gets_through_at: dict[str, float] = {}
        # The references of operations that the bank booked with another amount than requested.
        self.other_amounts: set[str] = set()
        # The payments of those operations.
        self.differing: set[str] = set()
        # Money was charged back, or booked with another amount, and the gateway can learn that only from
        # comparisons.
        self.has_kept_silent = False
        # Orders with a dispute that shows only in their last event, so that no event may follow it.
        self._told_by_last_event: set[str] = set()

    @property
    def books(self) -> Books:
        """Return the provider's books."""
        return books_of(ACCOUNT)

    def sums_of(self, order_code: str) -> tuple[int, int, int]:
        """Return what our books must say of an order: captured, refunded and charged back, in minor units."""
        order = self.books.orders.get(order_code)
        if order is None or order_code in self.given_up:
            return 0, 0, 0
        return order.captured.minor, order.refunded.minor, order.charged_back.minor

    def _manners_for(self, order_code: str) -> Manners:
        habits = drawn(self._chance, self._kindness)
        if self._chance.has_portal:
            # A portal refuses amounts that are too large.
            habits = replace(habits, manners=replace(habits.manners, checks_amounts=True))
        if self._chance.has_keys and not habits.is_queued and self._chance.happens("second_hidden"):
            silent = USUALLY_ANNOUNCED - {EventKind.CAPTURED, EventKind.REFUNDED}
            manners = replace(
                habits.manners, deduplicates=False, tells_position=False, books_at_once=True, announces=silent
            )
            habits = replace(habits, manners=manners, hides_second=True)
        self._habits[order_code] = habits
        return habits.manners

    def asked_to_authorise(self, request: Authorisation) -> None:
        """Record a request to authorise. A second one for the same order is a violation."""
        self._shown_at[request.order_code] = self._world.clock.now + self._chance.seconds_not_shown()
        if request.order_code in self._authorisations:
            self._world.violations.append(f"I2: {request.order_code} was sent to be authorised twice")
        self._authorisations.add(request.order_code)
        self._world.cards.asked_to_authorise(request)

    def decide_later(self, twin: "Twin", order_code: str) -> None:
        """Schedule the decision of an authorisation, in case it is still pending then."""

        def decide() -> None:
            order = self.books.orders[order_code]
            if order.state == OrderState.PENDING:
                order.state = self._chance.one_of((OrderState.AUTHORISED, OrderState.REFUSED))
                twin.be_decided(order)
                self.after_request(twin)

        self._later(self._chance.around(120), decide)

    def after_request(self, twin: MemoryProvider) -> None:
        """Post the new notifications, and by chance forged ones."""
        self._send_letters()
        for order in self.books.orders.values():
            if self._chance.happens("notification_forged"):
                self._post.forge(order)
        self._copy_the_books()

    def move(self, order: Order, kind: EventKind, amount: Money) -> str:
        """Capture or refund in the portal. Return the bank's reference, which is not one of ours."""
        self._portal_movements += 1
        movement = Movement(kind, f"{PORTAL}{self._portal_movements}", amount)
        if self.books.take(MERCHANT_CODE, order, movement):
            self.took(order, movement, HOUR)
        self._send_letters()
        self._copy_the_books()
        return movement.reference

    def cancel(self, order: Order) -> None:
        """Release an authorisation in the portal, unless a capture was accepted."""
        if not order.cancel():
            return
        self.books.notify(MERCHANT_CODE, order, order.amount)
        self._send_letters()
        self._copy_the_books()

    def _later(self, seconds: float, act: Callable[[], object]) -> None:
        def act_and_copy() -> None:
            act()
            self._copy_the_books()

        self._world.later(seconds, act_and_copy)

    def _copy_the_books(self) -> None:
        if self._chance.copy_lag_seconds:
            for code, order in self.books.orders.items():
                copies = self._copies.setdefault(code, [])
                if not copies or copies[-1][1] != order:
                    copies.append((self._world.clock.now, deepcopy(order)))

    def shown(self, order_code: str) -> Order | None:
        """Return an order as inquiries show it: in some schedules from a copy that is minutes old."""
        if not self.finds(order_code):
            return None
        until = self._world.clock.now - self._chance.copy_lag_seconds
        if not self._chance.copy_lag_seconds:
            return self.books.orders[order_code]
        return next((copy for at, copy in reversed(self._copies[order_code]) if at <= until), None)

    def finds(self, order_code: str) -> bool:
        """Return False if a query does not show the order yet.

        Queries show a new order after a while. If the gateway knows the order only from a processed
        notification, and from no reply, that may take hours.
        """
        if order_code not in self.books.orders:
            return False
        now = self._world.clock.now
        if self._world.rows.execute(NOTIFIED_ONLY, (order_code,)).fetchone() is not None:
            self._hidden.setdefault(order_code, now + self._chance.seconds_not_found())
        is_found = now >= max(self._shown_at.get(order_code, now), self._hidden.get(order_code, now))
        if not is_found:
            self._chance.count("order_not_found")
        return is_found

    def took(self, order: Order, movement: Movement, seconds_left: float) -> None:
        """Check that this capture or refund is allowed, and schedule its booking.

        It is booked, and so shows in the order's sums, within ``seconds_left`` (the rest of the settling
        time) and the lag of modifications. A slow refund takes longer: meanwhile the order's last event is
        that a refund was sent. A queued movement takes longer, too, and nothing shows it meanwhile.
        """
        self._check(order, movement)
        is_capture = movement.kind == EventKind.CAPTURED
        others = [each for each in order.taken if each.kind == movement.kind and each is not movement]
        if self._habits[order.order_code].hides_second and others:
            self.unanswered.add(movement.reference)
        if movement.reference and not self.is_queued(order) and self._chance.happens("key_forgotten"):
            seconds = self._chance.seconds_of("key_forgotten", 60, 4 * HOUR)
            self._later(seconds, lambda: self.books.forget_key(movement.reference))
        if not is_capture and self._chance.refund_is_denied():
            self._say_later(order, movement, "REFUND_FAILED", self._chance.around(5))
        if movement not in order.under_way:
            self._booked(order, movement)
            return
        if self._chance.happens("booking_forged"):
            self._post.forge(order)
        pause_seconds = self._chance.between(0, seconds_left)
        if self._chance.is_booked_late():
            pause_seconds += self._chance.between(0, conf.modification_lag.total_seconds())
        if not is_capture and self._habits[order.order_code].refunds_slowly:
            pause_seconds = self._chance.between(600, 3 * DAY)
        if self._habits[order.order_code].is_queued:
            pause_seconds = self._chance.seconds_queued()
        self._later(pause_seconds, lambda: self._book(order, movement))

    def is_queued(self, order: Order) -> bool:
        """Return True if captures and refunds of this order are not visible before they are booked."""
        return self._habits[order.order_code].is_queued

    def asked_to_move(self, reference: str) -> None:
        """Check that staff had not given up this operation: the merchant was told that it has ended."""
        given_up = self._world.rows.execute(GIVEN_UP, (reference,)).fetchone()
        if given_up is not None:
            self._world.violations.append(f"I2: {reference} was given up, and was sent again")

    def does_not_get_through(self, order: Order) -> bool:
        """Return True while requests about this order cannot be carried out, until somebody mends that."""
        now, code = self._world.clock.now, order.order_code
        if code not in self._gets_through_at and self._chance.happens("not_through"):
            self._gets_through_at[code] = now + self._chance.seconds_of("not_through", *MENDED_SECONDS)
        if code not in self._gets_through_at and self._chance.happens("never_through"):
            self._gets_through_at[code] = math.inf
        return now < self._gets_through_at.get(code, now)

    def never_gets_through(self, order_code: str) -> bool:
        """Return True if our requests about this order can never be carried out."""
        return self._gets_through_at.get(order_code) == math.inf

    def on_its_way(self, reference: str) -> None:
        """Record that a capture or refund may arrive within the settling time, or was lost."""
        query = "SELECT a.order_code FROM payments_operation o JOIN payments_attempt a ON a.id = o.attempt_id"
        (code,) = self._world.rows.execute(f"{query} WHERE o.reference = ?", (reference,)).fetchone()
        self._on_their_way[code] = self._world.clock.now + conf.settling_time.total_seconds()

    def is_wrong_meanwhile(self, order_code: str) -> bool:
        """Decide if the answer to a query has a wrong amount while a request is in flight."""
        is_meanwhile = self._world.clock.now < self._on_their_way.get(order_code, 0.0)
        return is_meanwhile and self._chance.happens("answer_wrong_meanwhile")

    def called_done(self, reference: str, kind: str, captured_with: str | None) -> None:
        """Check an operation that became done: either the bank has booked it, or staff have looked it up.

        The bank does not know the reference of a capture that it made with the authorisation of the order
        ``captured_with``.
        """
        is_certain = reference in self._certain or captured_with in self._certain
        if kind in ("capture", "refund") and not is_certain:
            self.premature.append((kind, reference))

    def looked_up(self, reference: str) -> None:
        """Record that staff declared this operation arrived, after which it may become done."""
        self._certain.add(reference)

    def _check(self, order: Order, movement: Movement) -> None:
        again = [each for each in order.taken if each.reference == movement.reference]
        violations = self._world.violations
        if len(again) > 1:
            violations.append(f"I2: {movement.kind} {movement.reference} was carried out {len(again)} times")
        asked = self._world.rows.execute(ASKED, (movement.reference,)).fetchone()
        if asked is not None and asked != (movement.amount.minor,):
            violations.append(f"I2: {movement.reference} was sent with the amount {movement.amount}")
        captured, refunded = order.asked_for(EventKind.CAPTURED), order.asked_for(EventKind.REFUNDED)
        if captured > order.amount:
            violations.append(f"I2: {order.order_code}: {captured} taken of {order.amount} authorised")
        not_owed = [each.amount for each in self._made_after_all if each in order.taken]
        if refunded > sum(not_owed, captured):
            violations.append(f"I2: {order.order_code}: {refunded} given back of {captured} captured")

    def _book(self, order: Order, movement: Movement) -> None:
        if movement in order.under_way:
            movement = self._perhaps_less(order, movement)
            self._world.trace.note("provider", "books", movement.kind, movement.reference)
            self.books.book(MERCHANT_CODE, order, movement)
            self._booked(order, movement)
            self._send_letters()

    def _perhaps_less(self, order: Order, movement: Movement) -> Movement:
        """Return the movement to book: the requested one or, seldom, one of a smaller amount in its place.

        The bank changes the amount only if a reference names the movement, and if its answers or a proven
        notification report the amount.
        """
        habits = self._habits[order.order_code]
        is_notified = movement.kind in habits.manners.announces and not (
            habits.is_open or habits.omits_amounts
        )
        is_told = bool(movement.reference) and (is_notified or self._tells_all(order))
        if movement.amount.minor < 2 or not is_told or not self._chance.happens("other_amount"):
            return movement
        less = replace(movement, amount=Money(movement.amount.minor // 2, movement.amount.currency))
        for movements in (order.taken, order.under_way):
            movements[movements.index(movement)] = less
        self.has_kept_silent |= not is_notified
        self.other_amounts.add(movement.reference)
        self.differing.add(order.order_code.rpartition("-")[0])
        return less

    def _booked(self, order: Order, movement: Movement) -> None:
        self._certain.add(movement.reference or order.order_code)
        if movement.kind == EventKind.CAPTURED:
            self._plan_the_future(order)
        elif self._chance.happens("refund_returned"):
            self._later(self._chance.between(600, 2 * DAY), lambda: self._return(order, movement))

    def _return(self, order: Order, movement: Movement) -> None:
        if movement in order.taken and order.order_code not in self.given_up:
            order.fail_refund(movement)
            self._post.contradict(order, "REFUND_FAILED", movement.amount, movement.reference)
            if self._chance.refund_is_made_after_all():
                pause_seconds = self._chance.one_of((self._chance.between(60, HOUR), DAY))
                self._later(pause_seconds, lambda: self._make_after_all(order, movement))

    def _make_after_all(self, order: Order, movement: Movement) -> None:
        is_paid_again = any(each.reference == movement.reference for each in order.taken)
        if is_paid_again or order.order_code in self.given_up:
            # Staff said that the refund had failed, and it was sent again. The bank pays a reference only
            # once.
            return
        order.make_refund_after_all(movement)
        self._made_after_all.append(movement)
        self._post.contradict(order, "REFUNDED", movement.amount, movement.reference)

    def _say_later(self, order: Order, movement: Movement, event: str, seconds: float) -> None:
        self._later(seconds, lambda: self._post.contradict(order, event, movement.amount, movement.reference))

    def _plan_the_future(self, order: Order) -> None:
        """Schedule events that may follow a capture: settlement, request for information, charge-back."""
        if self._chance.of(self._disputes):
            self._later(self._chance.between(HOUR, 3 * DAY), lambda: self._settle(order))
        if self._chance.of(self._disputes / 2):
            self._later(self._chance.between(HOUR, 3 * DAY), lambda: self._ask_for_information(order))
        if self._chance.of(self._disputes):
            self._later(self._chance.between(HOUR, 5 * DAY), lambda: self.charge_back(order))
        if self._chance.happens("rest_expires"):
            seconds = self._chance.seconds_of("rest_expires", DAY, 7 * DAY)
            self._later(seconds, lambda: self._let_rest_expire(order))

    def _let_rest_expire(self, order: Order) -> None:
        rest = order.release_rest()
        if rest.minor > 0 and order.order_code not in self.given_up:
            self.books.notify(MERCHANT_CODE, order, rest, event=EventKind.EXPIRED)
            self._send_letters()

    def _settle(self, order: Order) -> None:
        if order.order_code in self._told_by_last_event:
            return
        order.last_event = EventKind.SETTLED
        self.books.notify(MERCHANT_CODE, order, order.captured, event=EventKind.SETTLED)
        self._send_letters()

    def _ask_for_information(self, order: Order) -> None:
        if order.order_code in self._told_by_last_event:
            return
        order.last_event = EventKind.OTHER
        self.books.post(MERCHANT_CODE, order, "INFORMATION_REQUESTED", order.captured)
        self._send_letters()

    def _tells_all(self, order: Order) -> bool:
        """Return True if answers about this order have its sums."""
        return order.manners.tells_position and not order.manners.releases_rest

    def charge_back(self, order: Order, again: Money | None = None) -> None:
        """Charge back all or a part of the sum that is left, or the same sum as before ``again``."""
        left = order.captured - order.asked_for(EventKind.REFUNDED) - order.charged_back
        # A charge-back without sums or a proven notification could not be told from a forgery.
        tells_all = self._tells_all(order)
        is_told = tells_all or not self._habits[order.order_code].is_open
        code = order.order_code
        if left.minor <= 0 or not is_told or code in self.given_up | self._told_by_last_event:
            return
        amount = self._all_or_a_part(left) if again is None else min(again, left)
        # After a dispute of the whole sum, only a settlement could replace the order's last event.
        is_last = amount == order.captured == order.amount and order.manners.checks_amounts
        order.charged_back += amount
        is_untold = "dispute_untold" if tells_all else "dispute_untold_without_sums"
        if (tells_all or is_last) and self._chance.happens(is_untold):
            self.has_kept_silent = True
            if not tells_all:
                self._told_by_last_event.add(code)
                return
        else:
            self.books.notify(MERCHANT_CODE, order, amount, event=EventKind.CHARGED_BACK)
        self._world.disputed_money.charged_back(order, amount)
        self._send_letters()
        if self._chance.of(0.5):
            self._later(self._chance.between(HOUR, 3 * DAY), lambda: self._reverse_charge_back(order))

    def _reverse_charge_back(self, order: Order) -> None:
        # An earlier reversal may have returned everything.
        if not order.charged_back.minor or order.order_code in self.given_up:
            return
        amount = self._all_or_a_part(order.charged_back)
        order.charged_back -= amount
        self._world.disputed_money.reversed(order, amount)
        self.books.notify(MERCHANT_CODE, order, amount, event=EventKind.CHARGE_BACK_REVERSED)
        self._send_letters()

    def _all_or_a_part(self, amount: Money) -> Money:
        return (
            amount if self._chance.of(0.5) else Money(self._chance.number(1, amount.minor), amount.currency)
        )

    def _send_letters(self) -> None:
        letters = self.books.notifications()
        for letter in map(json.loads, letters[self._posted :]):
            self._post.send(letter, self._habits[letter["order_code"]])
        self._posted = len(letters)
