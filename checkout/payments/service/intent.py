"""Step one of a provider call: lock the attempt, and commit the intent before anything is sent.

Callers use ``transaction.atomic(durable=True)``: an intent that is not committed protects from nothing.
"""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet

from checkout.database.clock import database_now
from checkout.payments.calls import may_yet_arrive
from checkout.payments.models import Attempt, InboxMessage, ProviderCall
from checkout.payments.providers.base import Outcome, Verb
from checkout.payments.service.service import service
from checkout.payments.totals import WITHOUT_END, operations_of
from messaging.compiled_queries import Compiled
from messaging.worker.service import AlreadyHandled, CommandRejected, Message

# The provider's answer shows that an operation that was sent long ago never arrived (``absence``).
NOT_SHOWN = "not_shown"
# The provider answered, and its answer does not tell whether an operation has arrived.
UNDECIDED = "undecided"
MODIFICATIONS = (Verb.CAPTURE, Verb.VOID, Verb.REFUND)
TO_BE_SENT_AGAIN = (Outcome.NOT_SENT, NOT_SHOWN)


@dataclass(frozen=True, slots=True)
class Intent:
    """The identity of one provider call; ``key`` is its idempotency key, which is the same at every try."""

    verb: Verb
    key: str


def locked_attempt(order_code: str) -> Attempt:
    """Return the attempt, locked until the transaction ends; raises ``CommandRejected`` if there is none."""
    return _known(_LOCKED.first(order_code), order_code)


def attempt_of(order_code: str) -> Attempt:
    """Return the attempt as it is now; raises ``CommandRejected`` if there is none."""
    return _known(_ATTEMPT.first(order_code), order_code)


def _with_what_is_sent(code: str) -> QuerySet[Attempt]:
    return Attempt.objects.select_related("payment", "provider_account").filter(order_code=code)


_ATTEMPT = Compiled(_with_what_is_sent)
_LOCKED = Compiled(lambda code: _with_what_is_sent(code).select_for_update(of=("self",), no_key=True))


def _known(attempt: Attempt | None, order_code: str) -> Attempt:
    if attempt is None:
        raise CommandRejected("attempt_not_found", f"There is no attempt {order_code}.")
    return attempt


def refuse_repetition(message: Message) -> None:
    """Raise ``AlreadyHandled`` if the message was answered before. The attempt must be locked.

    Every answer is recorded under that lock. Without this check, the redelivery of a command that was
    answered "not sent" would send it after all.
    """
    if _HANDLED.all(service.name, message.envelope.message_id):
        raise AlreadyHandled(message.envelope.message_id)


_HANDLED = Compiled(
    lambda consumer, id: InboxMessage.objects.filter(consumer=consumer, message_id=id).only("pk").order_by()
)


def commit_intent(attempt: Attempt, intent: Intent) -> bool:
    """Write the intent. Return True if the provider is to be called now. The attempt must be locked.

    A call that was not sent, or that by the provider's answer never arrived, may be made again with the same
    key. Every other intent that exists stands for a call that was made, or is just being made.
    """
    alone = _is_alone(attempt, intent)
    if _CALL.first(intent.key) is None:
        ProviderCall.objects.create(
            key=intent.key, attempt=attempt, verb=intent.verb, started_at=database_now(), was_alone=alone
        )
        return True
    again = ProviderCall.objects.filter(key=intent.key, outcome__in=TO_BE_SENT_AGAIN)
    return bool(again.update(outcome="", started_at=database_now(), finished_at=None, was_alone=alone))


def _is_alone(attempt: Attempt, intent: Intent) -> bool:
    """Return True if the order's next event at the provider can only come from this modification."""
    if intent.verb not in MODIFICATIONS:
        return True
    others = [each for each in operations_of(attempt) if each.reference != intent.key]
    if any(each.state in WITHOUT_END for each in others):
        return False
    # While a request is just being sent, its operation's state does not show that yet.
    return not others or not attempt.provider_calls.filter(outcome="", verb__in=MODIFICATIONS).exists()


def record_outcome(intent: Intent, outcome: str, event: str) -> None:
    """Write the outcome of the call, in the transaction of step three."""
    ProviderCall.objects.filter(key=intent.key).update(
        outcome=outcome, event=event[:100], finished_at=database_now()
    )


def stored_outcome(intent: Intent) -> str:
    """Return the recorded outcome of an earlier call, or ``unknown`` if none is recorded."""
    call = _CALL.first(intent.key)
    return (call.outcome if call else "") or Outcome.UNKNOWN


_CALL = Compiled(lambda key: ProviderCall.objects.filter(key=key).order_by())


def may_be_completed(attempt: Attempt) -> bool:
    """Return True if the second message of a challenge may have reached the provider.

    Then the provider may have authorised the order even if it answers that it cannot find it.
    """
    calls = attempt.provider_calls.filter(verb=Verb.COMPLETE_CHALLENGE)
    return calls.exclude(outcome=Outcome.NOT_SENT).exists()


@dataclass(frozen=True, slots=True)
class CallsInFlight:
    """An attempt's requests, or the one with ``key``, as they stood just before the provider was asked.

    An answer describes the order at the time of the inquiry. "No such order" is inconclusive while a request
    may still arrive, and also if a request was sent or answered before the answer is looked at.
    """

    key: str
    calls: tuple[tuple[str, str, datetime], ...]
    may_yet_arrive: bool

    def is_over(self, attempt: Attempt) -> bool:
        """Return True if no request could still arrive at the time of the inquiry, or has changed since."""
        return not self.may_yet_arrive and _calls(attempt, self.key) == self.calls


def under_way(attempt: Attempt, key: str = "") -> CallsInFlight:
    """Return the requests that are under way. Call this before the provider is asked about them."""
    calls = attempt.provider_calls.all()
    return CallsInFlight(key, _calls(attempt, key), may_yet_arrive(calls.filter(key=key) if key else calls))


def _calls(attempt: Attempt, key: str) -> tuple[tuple[str, str, datetime], ...]:
    calls = attempt.provider_calls.order_by("pk").values_list("key", "outcome", "started_at")
    return tuple(calls.filter(key=key) if key else calls)
