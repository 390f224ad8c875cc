"""Step one of a provider call: the attempt under lock, and the intent committed before anything is sent.

Callers use ``transaction.atomic(durable=True)``: an intent that is not committed protects from nothing.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from checkout.conf import conf
from checkout.messaging.service import AlreadyHandled, CommandRejected, Message
from checkout.models import Attempt, InboxMessage, ProviderCall
from checkout.providers.base import Outcome, Verb
from checkout.services.payments.service import service
from checkout.statements import Compiled

# The provider was asked what became of an operation, long after it was sent, and its answer does not show it.
NOT_SHOWN = "not_shown"
TO_BE_SENT_AGAIN = (Outcome.NOT_SENT, NOT_SHOWN)


@dataclass(frozen=True, slots=True)
class Intent:
    """What one provider call is known by; ``key`` is its idempotency key, the same at every try."""

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
    """Raise ``AlreadyHandled`` for a message that was answered before.

    Asked with the attempt locked, as whoever answers holds that lock. Without it, the redelivery of a command
    that was answered "not sent" would send it after all.
    """
    if _HANDLED.all(service.name, message.envelope.message_id):
        raise AlreadyHandled(message.envelope.message_id)


_HANDLED = Compiled(
    lambda consumer, id: InboxMessage.objects.filter(consumer=consumer, message_id=id).only("pk").order_by()
)


def commit_intent(attempt: Attempt, intent: Intent) -> bool:
    """Write the intent; return whether the provider is to be called now. The attempt must be locked.

    A call that was not sent, or that the provider knows nothing of, may be made again with the same key.
    Every other intent that exists stands for a call that was, or is just being, made.
    """
    if _CALL.first(intent.key) is None:
        ProviderCall.objects.create(key=intent.key, attempt=attempt, verb=intent.verb, started_at=_now())
        return True
    again = ProviderCall.objects.filter(key=intent.key, outcome__in=TO_BE_SENT_AGAIN)
    return bool(again.update(outcome="", started_at=_now(), finished_at=None))


def record_outcome(intent: Intent, outcome: str, event: str) -> None:
    """Write what came of the call, in the transaction of step three."""
    ProviderCall.objects.filter(key=intent.key).update(outcome=outcome, event=event[:100], finished_at=_now())


def stored_outcome(intent: Intent) -> str:
    """Return what is known of a call made before; ``unknown`` while nothing is."""
    call = _CALL.first(intent.key)
    return (call.outcome if call else "") or Outcome.UNKNOWN


_CALL = Compiled(lambda key: ProviderCall.objects.filter(key=key).order_by())


@dataclass(frozen=True, slots=True)
class UnderWay:
    """An attempt's requests, or the one with ``key``, as they stood just before the provider was asked.

    An answer is as old as its question. "No such order" is none while a request may yet arrive, and none any
    more when one was sent or answered before the answer is looked at.
    """

    key: str
    calls: tuple[tuple[str, str, datetime], ...]
    may_yet_arrive: bool

    def is_over(self, attempt: Attempt) -> bool:
        """Whether nothing could still arrive when the provider was asked, and nothing has happened since."""
        return not self.may_yet_arrive and _calls(attempt, self.key) == self.calls


def under_way(attempt: Attempt, key: str = "") -> UnderWay:
    """Look at what is under way to the provider. To be called before the provider is asked about it."""
    young = attempt.provider_calls.filter(
        outcome__in=("", Outcome.UNKNOWN, Outcome.PENDING), started_at__gt=_now() - conf.settling_time
    )
    may_yet_arrive = (young.filter(key=key) if key else young).exists()
    return UnderWay(key, _calls(attempt, key), may_yet_arrive)


def _calls(attempt: Attempt, key: str) -> tuple[tuple[str, str, datetime], ...]:
    calls = attempt.provider_calls.order_by("pk").values_list("key", "outcome", "started_at")
    return tuple(calls.filter(key=key) if key else calls)


def _now() -> Any:
    """The present by the database's clock, as those of the processes may differ; SQLite has none."""
    return Now() if connection.vendor == "postgresql" else timezone.now()
