"""Conclude from a provider's answer that an order, or a capture, void or refund, never arrived.

"No such order" is believed only if no request may be on its way, and the provider has never said that it
holds money for the order: some orders show only hours later.

If an operation is sent again although it had arrived, its money moves twice: providers do not deduplicate
everywhere, nor for ever. So absence must be shown. An answer shows it in two cases only, and only if nothing
else may have changed the answer since the operation was sent:

- the answer has the order's sums, and they equal exactly those of the other operations of its kind;
- it is the first operation of its kind, and the order's last event is one that it would have changed.

Everything else is undecided. A second refund, for example, does not change the last event of an order that
is REFUNDED already.
"""

from checkout.payments.calls import MODIFICATIONS, CallsInFlight, may_be_completed
from checkout.payments.models import Attempt, Operation, ProviderCall
from checkout.payments.providers.base import EventKind, ProviderResult, WholePosition
from checkout.payments.service.evidence.booked_operations import BookedOperations, reliable_sum
from checkout.payments.service.facts import has_told_of_money
from checkout.payments.totals import sums_of_attempt

Kind = Operation.Kind

# The last event that an operation of each kind would have replaced if it had arrived.
WOULD_BE_CHANGED = {
    Kind.CAPTURE: EventKind.AUTHORISED,
    Kind.VOID: EventKind.AUTHORISED,
    Kind.REFUND: EventKind.CAPTURED,
}
# Last events with which the sums are complete. With the events of a refund, the sums may be those from before
# that refund (``position``), and of two refunds of one amount they do not tell which one is missing. Events
# that come by themselves (SETTLED, CHARGED_BACK) may have hidden the operation's own event.
SUMS_ARE_COMPLETE = {
    Kind.CAPTURE: (
        EventKind.AUTHORISED,
        EventKind.CAPTURED,
        EventKind.REFUNDED,
        EventKind.REFUND_FAILED,
    ),
    Kind.REFUND: (EventKind.CAPTURED,),
}


def may_order_exist(before: CallsInFlight, attempt: Attempt) -> bool:
    """Return True if the order may exist, or come to exist, although the provider denies knowing it.

    ``before`` has the attempt's requests as they stood when the provider was asked.
    """
    return not before.is_over(attempt) or may_be_completed(attempt) or has_told_of_money(attempt)


def is_absent(operation: Operation, others: BookedOperations, result: ProviderResult) -> bool:
    """Return True if the answer shows that the provider has never had this operation.

    ``others`` are all other operations of its kind that were not refused. The caller must have made sure that
    the provider's answer would have shown the operation if its request had arrived.
    """
    kind = Kind(operation.kind)
    if kind == Kind.VOID:
        # A void is idempotent, so sending it again does no harm.
        return result.kind == WOULD_BE_CHANGED[kind]
    if not _nothing_hides_it(operation):
        return False
    if kind == Kind.REFUND and result.is_behind:
        # An event that lacks the capture may lack a refund as well, and the sums may be from before that.
        return False
    total = reliable_sum(operation.attempt, result, kind)
    if total is not None:
        is_certain = others.least == others.most == total and _are_captures_told(operation, result)
        return is_certain and result.kind in SUMS_ARE_COMPLETE[kind]
    return not others.entries and _is_unchanged(operation, result)


def _are_captures_told(operation: Operation, result: ProviderResult) -> bool:
    """Return True if the captured sum is certain without our own record of it.

    If the provider tells only what it has kept, a capture that we do not know of would hide a refund, unless
    everything was captured.
    """
    if operation.kind != Kind.REFUND or isinstance(result.position, WholePosition):
        return True
    return sums_of_attempt(operation.attempt).captured == operation.payment.amount_minor


def _is_unchanged(operation: Operation, result: ProviderResult) -> bool:
    """Return True if the last event is still the one from before the first operation of its kind."""
    if result.kind != WOULD_BE_CHANGED[Kind(operation.kind)]:
        return False
    if operation.kind == Kind.CAPTURE:
        return True
    # While something is left to capture, the event may come from a capture that followed this refund.
    return sums_of_attempt(operation.attempt).captured == operation.payment.amount_minor


def _nothing_hides_it(operation: Operation) -> bool:
    """Return True if no other operation can have changed the last event since this one was sent."""
    call = ProviderCall.objects.filter(key=operation.reference).first()
    if call is None or not call.was_alone:
        return False
    modifications = operation.attempt.provider_calls.filter(verb__in=MODIFICATIONS).exclude(pk=call.pk)
    return not modifications.filter(started_at__gte=call.started_at).exists()
