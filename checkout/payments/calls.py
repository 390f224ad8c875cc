"""Requests to providers that may still be on their way, or that may have had an effect."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import F, Q, QuerySet
from django.db.models.functions import Coalesce

from checkout.conf import conf
from checkout.errors import ProviderMisconfigured
from checkout.payments.messages import ProviderOutcome
from checkout.payments.models.payment import Attempt, Operation, ProviderAccount
from checkout.payments.models.provider_call import ProviderCall
from checkout.payments.providers.base import Outcome, Verb
from checkout.payments.providers.registry import get_provider
from messaging.outbox.clock import server_time, server_time_now

# The states in which an operation may still be sent to the provider.
TO_BE_SENT = (Operation.State.REQUESTED, Operation.State.UNKNOWN)
UNANSWERED = ("", Outcome.UNKNOWN, Outcome.PENDING)
# Outcomes after which a request has certainly had no effect, although it was not refused.
WITHOUT_EFFECT = (Outcome.NOT_SENT, Outcome.NOT_FOUND, Outcome.NOT_ABLE)
# Outcomes after which the same request may be made again. For the last one, see ``moves_once``.
TO_BE_SENT_AGAIN = (*WITHOUT_EFFECT, ProviderOutcome.NOT_SHOWN)
MODIFICATIONS = (Verb.CAPTURE, Verb.VOID, Verb.REFUND)


def authorise_key(attempt: Attempt) -> str:
    """Return the idempotency key of the attempt's first message."""
    return f"{attempt.order_code}:authorise"


def completion_key(attempt: Attempt) -> str:
    """Return the idempotency key of the second message, after the attempt's latest challenge."""
    return f"{attempt.order_code}:challenge:{attempt.challenge_count}"


def may_have_left(calls: QuerySet[ProviderCall], outcome: str, **changes: object) -> int:
    """Let these requests be sent again, although earlier copies may have been sent. Return their number.

    A refusal of the next copy says nothing about the earlier ones.
    """
    earlier = Coalesce(F("earlier_at"), F("started_at"))
    return calls.update(outcome=outcome, earlier_at=earlier, **changes)


def recognised_key(account: ProviderAccount, verb: str, key: str) -> str:
    """Return the key by which the provider recognises a repeated request; empty if it recognises none."""
    if verb not in (Verb.CAPTURE, Verb.REFUND):
        return ""
    try:
        return get_provider(account.opened()).recognised_key(key)
    except ProviderMisconfigured:
        return ""  # nothing can be sent; the call itself reports this


def moves_once(call: ProviderCall) -> bool:
    """Return True if sending a copy moves no money twice, even if an earlier copy is carried out after all.

    A request may wait at the provider for hours or days, and no inquiry shows it there. Then only its key
    prevents a second movement, if the first copy had the same key and the provider still remembers it. A
    second void changes nothing.
    """
    if call.verb == Verb.VOID:
        return True
    account = call.attempt.provider_account
    if not call.recognised_key or call.recognised_key != recognised_key(account, call.verb, call.key):
        return False
    remembered = get_provider(account.opened()).remembers_keys_for - conf.settling_time
    return server_time_now() < (call.earlier_at or call.started_at) + remembered


def is_clean(operation: Operation) -> bool:
    """Return True if no copy of an open operation's request has had an effect, and none may have one yet.

    Each copy was certainly not sent, or was answered as not carried out. The rows of calls show this. The
    operation's state does not, because a notification may have moved it before a call is answered. An
    included capture has no call of its own.
    """
    if operation.state not in TO_BE_SENT:
        return False
    call = ProviderCall.objects.filter(key=operation.reference).first()
    if call is not None:
        return has_had_no_effect(call)
    is_included = operation.reference == operation.attempt.capture_reference
    return operation.state == Operation.State.REQUESTED and not is_included


def has_had_no_effect(call: ProviderCall) -> bool:
    """Return True if no copy of this request has had an effect, and none may have one yet."""
    return call.outcome in WITHOUT_EFFECT and call.earlier_at is None


def may_yet_arrive(calls: QuerySet[ProviderCall]) -> bool:
    """Return True if one of the requests may still reach the provider: it is recent and unanswered."""
    since = server_time() - conf.settling_time
    return calls.filter(outcome__in=UNANSWERED, started_at__gt=since).exists()


def may_yet_show(calls: QuerySet[ProviderCall]) -> bool:
    """Return True if one of the requests may have arrived, or may yet arrive, but no query shows it.

    Queries are answered from copies of the provider's books, and modifications are carried out later than
    they are accepted. Source: Worldpay, Inquiry requests (wait at least 5 minutes after the transaction, or
    after a modification) and Manage your payments (modifications take typically 15 minutes).
    """
    arrived = server_time() - conf.settling_time
    is_modification = Q(verb__in=MODIFICATIONS)
    is_recent = Q(is_modification, started_at__gt=arrived - conf.modification_lag) | Q(
        ~is_modification, started_at__gt=arrived - conf.order_lag
    )
    return calls.filter(is_recent, outcome__in=UNANSWERED).exists()


def may_be_carried_out_yet(calls: QuerySet[ProviderCall]) -> bool:
    """Return True if one of the requests has no decisive answer and may wait at the provider.

    No query shows it there. See ``CHECKOUT_QUEUE_SECONDS``. The answer to the latest copy decides nothing
    about an earlier one.
    """
    since = server_time() - conf.settling_time - conf.queue_time
    is_undecided = Q(outcome__in=UNANSWERED) | Q(earlier_at__isnull=False)
    return calls.filter(is_undecided, started_at__gt=since).exists()


def time_to_show() -> timedelta:
    """Return the time within which queries show every request that arrives. See ``may_yet_show``."""
    return conf.settling_time + max(conf.order_lag, conf.modification_lag)


def may_be_completed(attempt: Attempt) -> bool:
    """Return True if the second message of a challenge may have reached the provider.

    In that case, the provider may have authorised the order even if it answers that it cannot find it.
    """
    calls = attempt.provider_calls.filter(verb=Verb.COMPLETE_CHALLENGE)
    return calls.exclude(outcome__in=WITHOUT_EFFECT).exists()


@dataclass(frozen=True, slots=True)
class CallsInFlight:
    """An attempt's requests, or the one with ``key``, as they were just before the provider was asked.

    An answer describes the order at the time of the inquiry. "No such order" proves nothing while a request
    may not show yet, or if a request was sent or answered between the inquiry and the use of its answer.
    """

    key: str
    calls: tuple[tuple[str, str, datetime], ...]
    may_yet_show: bool

    def is_over(self, attempt: Attempt) -> bool:
        """Return True if the inquiry must have shown all requests, and none has changed since."""
        return not self.may_yet_show and _calls(attempt, self.key) == self.calls


def under_way(attempt: Attempt, key: str = "") -> CallsInFlight:
    """Return the requests that are under way. Call this before the provider is asked about them."""
    calls = attempt.provider_calls.all()
    return CallsInFlight(key, _calls(attempt, key), may_yet_show(calls.filter(key=key) if key else calls))


def _calls(attempt: Attempt, key: str) -> tuple[tuple[str, str, datetime], ...]:
    calls = attempt.provider_calls.order_by("pk").values_list("key", "outcome", "started_at")
    return tuple(calls.filter(key=key) if key else calls)
