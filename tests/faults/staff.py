"""The merchant's staff, who decide after the faults what no program can decide."""

import contextlib
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field

from checkout.errors import CheckoutError, OperationRejected
from checkout.payments import actions
from messaging.concurrency.database import in_thread
from tests.faults.evidence import INNOCENT
from tests.faults.provider_books import Order, read_orders
from tests.faults.site import Site
from tests.support.claims import Truth, net_sums, settle_claim_by, settle_payment_by
from tests.support.reconciling import reconcile
from tests.support.settling import settle_operation

BY = "campaign"
PARKED = """
    SELECT operation.reference, operation.kind, attempt.order_code,
      operation.kind <> 'void' AND coalesce(call.outcome, '') = 'refused'
        AND coalesce(saga.data ->> 'is_doubted', '') <> 'true'
    FROM payments_operation operation JOIN payments_attempt attempt ON attempt.id = operation.attempt_id
    JOIN payments_saga saga ON saga.kind = operation.kind AND saga.key = operation.reference
    LEFT JOIN payments_providercall call ON call.key = operation.reference
    WHERE saga.status = 'parked' AND operation.state <> 'refused'
      AND (operation.state <> 'done' OR saga.data ->> 'is_doubted' = 'true')"""
UNREADABLE = """
    SELECT id FROM payments_providernotification
    WHERE state = 'unreadable' AND dealt_with_at IS NULL"""
# Perhaps a late copy of a message that was erased with its payment: its receiver does not find it.
OF_ERASED = """
    SELECT letter.id, message_id
    FROM payments_deadletter letter JOIN payments_payment payment ON reference = subject
    JOIN payments_fact fact ON fact.payment_id = payment.id AND fact.kind = 'personal_data_erased'
    WHERE requeued_at IS NULL AND dealt_with_at IS NULL"""
LETTER = "SELECT type, message_id, subject, service, queue, reason FROM payments_deadletter WHERE id = %s"
CLAIMED = """
    SELECT saga.id, attempt.order_code, payment.reference, payment.state = 'conflicted'
    FROM payments_saga saga JOIN payments_attempt attempt ON attempt.id = saga.attempt_id
    JOIN payments_payment payment ON payment.id = saga.payment_id
    WHERE saga.kind = 'asking' AND saga.step = 'check' AND saga.status = 'parked'"""
UNTOLD = """
    SELECT payment.reference
    FROM payments_saga saga JOIN payments_payment payment ON payment.id = saga.payment_id
    WHERE saga.kind = 'purchase' AND saga.status = 'parked' AND payment.state = 'confirming'"""
INCLUDED = "SELECT order_code, capture_reference FROM payments_attempt WHERE order_code = %s"
DIFFERING = """
    SELECT DISTINCT reference FROM payments_difference difference
    JOIN payments_payment payment ON payment.id = payment_id
    WHERE resolved_at IS NULL AND kind IN ('authorised', 'captured', 'refunded', 'charged_back')"""
POSTPONED = """
    SELECT reference FROM payments_postponedcomparison
    JOIN payments_payment payment ON payment.id = payment_id"""
MOVED = """
    SELECT operation.kind, sum(operation.amount_minor) FROM payments_operation operation
    JOIN payments_payment payment ON payment.id = payment_id
    WHERE payment.reference = %s AND operation.state = 'done' GROUP BY 1"""
CONFLICTED = "SELECT reference FROM payments_payment WHERE state = 'conflicted'"


@dataclass
class Staff:
    """The staff, with counters of their work: `requeued`, `copies`, `settled`, `read` and `reviewed`.

    `copies` are dead letters of messages that were handled, and then erased with their payments.
    """

    site: Site
    used_portal: Collection[str] = ()
    requeued: int = 0
    copies: int = 0
    settled: int = 0
    read: int = 0
    reviewed: set[str] = field(default_factory=set)
    explained: set[str] = field(default_factory=set)

    async def send_dead_letters_again(self) -> None:
        """Send dead letters again, except those whose message was handled and is erased.

        An erased message that was not handled, and cannot be sent again, is left: it violates I11.
        """
        of_erased = dict(await in_thread(self.site.rows, OF_ERASED))
        handled = await in_thread(self.site.databases.handled) if of_erased else set()
        for letter, message_id in of_erased.items():
            if message_id in handled:
                await in_thread(actions.deal_with_dead_letter, letter, by=BY, note="its payment was erased")
                self.copies += 1
        for letter in await self._numbers(INNOCENT):
            try:
                await in_thread(actions.requeue_dead_letter, letter, by=BY)
            except OperationRejected as rejection:
                if letter in of_erased:
                    continue
                told = await in_thread(self.site.rows, LETTER, letter)
                raise AssertionError(f"{told} cannot be sent again: {rejection}") from rejection
            self.requeued += 1

    async def read_what_no_program_can(self) -> None:
        """Mark unreadable notifications as dealt with. The provider's other answers have the same facts."""
        for notification in await self._numbers(UNREADABLE):
            await in_thread(actions.deal_with_notification, notification, by=BY, note="cannot be read")
            self.read += 1

    async def settle_parked_operations(self) -> None:
        """Settle parked operations and claims by the provider's books, which list accepted references.

        Only call this when the provider has no work left and no request is being sent.
        """
        for reference, kind, order_code, is_refused in await in_thread(self.site.rows, PARKED):
            (order,) = await in_thread(self._order, order_code) or (Order(order_code),)
            has_arrived = _has_arrived(order, kind, reference)
            try:
                await in_thread(
                    settle_operation,
                    reference,
                    arrived=has_arrived,
                    # The provider has refused a copy, and would refuse another one.
                    gives_up=is_refused and not has_arrived,
                    by=BY,
                    reason="It was looked up in the provider's books.",
                )
            except OperationRejected:
                # The saga is running again, or the operation has been settled otherwise.
                continue
            self.settled += 1
        for saga, order_code, reference, is_conflicted in await in_thread(self.site.rows, CLAIMED):
            (order,) = await in_thread(self._order, order_code) or (Order(order_code),)
            try:
                await in_thread(settle_claim_by, _truth_of(order), saga, by=BY)
            except OperationRejected:
                if reference in self.used_portal and not is_conflicted:
                    # Our books may lack a sum that was captured in the portal and charged back.
                    await self._enter_figures(reference)
                continue
            self.settled += 1

    async def compare_books(self) -> None:
        """Compare our books with the provider's, now that all other work has ended.

        The last regular run may have seen a difference that has ended since: the provider had made a failed
        refund after all, and had not notified us yet.
        """
        await in_thread(reconcile)

    async def settle_differing(self) -> list[str]:
        """Compare the books, and settle payments that were changed in the portal. Return what differs then.

        There are no comparisons until the provider has to show all movements. For an order without sums they
        find nothing, so staff also look in the portal at each payment whose money they moved there. No other
        payment may differ, so no other is settled: a difference is a violation.
        """
        if not self.used_portal:
            return []
        await self.compare_books()
        left = [f"{text} has to be compared again" for (text,) in await in_thread(self.site.rows, POSTPONED)]
        differing = {reference for (reference,) in await in_thread(self.site.rows, DIFFERING)}
        differing.update(await in_thread(self._unlike_in_portal))
        for reference in sorted(differing.intersection(self.used_portal)):
            left.append(f"{reference} differs from the provider's books")
            await self._enter_figures(reference)
        return left

    async def settle_untold(self) -> None:
        """Settle payments whose outcome the provider never reports.

        An example is a challenge whose end never arrived, if the provider was to capture at once.
        """
        for (reference,) in await in_thread(self.site.rows, UNTOLD):
            await self._enter_figures(reference)

    async def _enter_figures(self, reference: str) -> None:
        """Settle a payment by the provider's books, without a query to the provider first."""
        self.explained.add(reference)
        # Another operation may be pending, or has to be settled first.
        with contextlib.suppress(OperationRejected):
            await in_thread(settle_payment_by, self._truth, reference, by=BY, is_explained=True)
            self.settled += 1

    async def settle_contradictions(self) -> None:
        """Order a review of each conflicted payment once.

        If a payment is still conflicted after its review, settle it by the provider's books.
        """
        for (reference,) in await in_thread(self.site.rows, CONFLICTED):
            try:
                is_explained = reference in self.explained
                if is_explained or reference in self.reviewed:
                    if await in_thread(
                        settle_payment_by, self._truth, reference, by=BY, is_explained=is_explained
                    ):
                        self.settled += 1
                    continue
                reason = "The provider is to say it once more."
                await in_thread(actions.review_payment, reference, by=BY, reason=reason)
                self.reviewed.add(reference)
            except CheckoutError:
                # A review is running already, or another operation has to be settled first.
                continue

    def _unlike_in_portal(self) -> list[str]:
        """Return the payments with movements in the portal, whose sums differ from those of our books."""
        return [each for each in self.used_portal if self._ours(each) != self._theirs(each)]

    def _ours(self, reference: str) -> tuple[int, int, int]:
        return net_sums(Counter(dict(self.site.rows(MOVED, reference))))

    def _theirs(self, reference: str) -> tuple[int, int, int]:
        orders = list(read_orders(self.site.stack.sandbox_url, {}, prefix=f"{reference}-"))
        return (
            sum(each.captured for each in orders),
            sum(each.refunded for each in orders),
            sum(each.charged_back for each in orders),
        )

    def _truth(self, code: str) -> Truth:
        return _truth_of(next(iter(self._order(code)), Order(code)))

    def _order(self, code: str) -> list[Order]:
        included = dict(self.site.rows(INCLUDED, code))
        return list(read_orders(self.site.stack.sandbox_url, included, order=code))

    async def _numbers(self, query: str) -> list[int]:
        return [number for (number,) in await in_thread(self.site.rows, query)]


def _truth_of(order: Order) -> Truth:
    """Return the content of the provider's books."""
    return Truth(
        captured=order.captured,
        refunded=order.refunded,
        charged_back=order.charged_back,
        made=frozenset(entry.reference for entry in order.entries if entry.kind == "refunded"),
        taken=frozenset(entry.reference for entry in order.entries if entry.kind == "captured"),
        is_held=order.authorised > order.cancelled,
        is_released=order.has("cancelled"),
        has_expired=order.has("expired"),
    )


def _has_arrived(order: Order, kind: str, reference: str) -> bool:
    """Return True if the provider released the authorisation, or accepted a movement that has not failed."""
    return order.cancelled > 0 if kind == "void" else order.taken()[kind, reference] > 0
