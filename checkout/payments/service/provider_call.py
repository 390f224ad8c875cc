"""A call to a provider, from top to bottom: the intent, the call, the outcome.

1. The attempt is locked, the command is checked, and the intent is committed with its idempotency key.
2. The provider is called, with no lock, no transaction and no database connection held.
3. The outcome, the fact, the new states and the reply are committed in one transaction.

A crash between the first and the last step leaves an intent without an outcome. Then the command is answered
with "unknown", and the call is never repeated: an inquiry decides. An inquiry changes nothing at the
provider, so it consists of steps 2 and 3 only.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

import structlog
from django.db import close_old_connections, connection, transaction
from django.db.models import Exists
from django.utils import timezone

from checkout.conf import conf
from checkout.errors import (
    AmountNotSupported,
    OutcomeUnknown,
    ProviderError,
    ProviderMisconfigured,
    ProviderReplyInvalid,
    ProviderUnavailable,
)
from checkout.payments.books.apply import compare_books_again
from checkout.payments.books.compare_sums import is_beyond_ours
from checkout.payments.calls import (
    MODIFICATIONS,
    TO_BE_SENT_AGAIN,
    WITHOUT_EFFECT,
    moves_once,
    recognised_key,
)
from checkout.payments.checkout_messages import ApplyProviderEvent
from checkout.payments.messages import AttemptReviewed, ClaimChecked, ProviderAnswered, ProviderOutcome
from checkout.payments.models import Attempt, Fact, InboxMessage, ProviderAccount, ProviderCall
from checkout.payments.models.messages import send_to_checkout
from checkout.payments.providers.base import (
    Outcome,
    Provider,
    ProviderResult,
    Refusal,
    RefusalReason,
    Verb,
)
from checkout.payments.providers.registry import get_provider
from checkout.payments.service.attempts import attempt_under_lock
from checkout.payments.service.service import service
from checkout.payments.totals import WITHOUT_END, operations_under_lock, sums_of_attempt
from checkout.tallies import provider_calls
from messaging import crash_points, traces
from messaging.compiled_queries import Compiled, batch, insert_in_batch, update_in_batch
from messaging.outbox.clock import server_time
from messaging.worker.service import AlreadyHandled, Message

log = structlog.get_logger(__name__)

Send = Callable[[Provider], ProviderResult]


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """One request that a command asks for.

    ``key`` is its idempotency key, which is the same at every try. The request is sent only if ``is_due`` is
    true. It is sent again only if the first try certainly had no effect, or if its outcome is unknown and
    ``is_idempotent`` is true. ``begin`` is called in the transaction that writes the intent. ``request`` is
    called after that transaction. It returns the function that sends the request, or a result if we refuse to
    send it.
    """

    verb: Verb
    key: str
    is_due: bool
    request: Callable[[], Send | ProviderResult]
    begin: Callable[[], None] = lambda: None
    is_idempotent: bool = False


@dataclass(frozen=True, slots=True)
class CallResult:
    """The meaning of a provider's answer: our reply, and the fact that records the answer, if there is one.

    ``outcome`` is stored with the request if it differs from the reply's.
    """

    reply: ProviderAnswered | ClaimChecked | AttemptReviewed
    fact: Fact | None = None
    outcome: str = ""


def provider_call(
    message: Message,
    order_code: str,
    *,
    intend: Callable[[Attempt], Intent],
    conclude: Callable[[Attempt, Intent, ProviderResult], CallResult],
    recall: Callable[[Attempt, Intent], ProviderAnswered],
) -> None:
    """Carry out a command that may move money at the provider, and answer it.

    ``intend`` checks the command and declares the request. ``conclude`` turns the provider's answer into a
    ``CallResult``. ``recall`` answers a command whose request was made before, is just being made, or is not
    due. All three get the attempt under lock. The command's handler must have ``admits_itself``, because this
    function admits the message.
    """
    window = SendWindow.opened()

    # 1. The intent. It must be durable, because an intent that is not committed protects from nothing.
    with transaction.atomic(durable=True), batch():
        message.admit()
        attempt = attempt_under_lock(order_code)
        intent = intend(attempt)
        is_known = is_known_call(attempt, intent, message)
        call = commit_intent(attempt, intent, is_known=is_known) if intent.is_due else None
        if call is not None:
            intent.begin()

    # 2. The call.
    result = None
    if call is not None:
        request = intent.request()
        if isinstance(request, ProviderResult):
            result = request
        else:
            result = ask_provider(attempt.provider_account, intent.verb, request, window=window)

    # 3. The outcome.
    def record(attempt: Attempt) -> CallResult:
        if call is None or result is None:
            return CallResult(recall(attempt, intent))
        latest = _latest_of(call)
        answer = result if latest is not None else _of_an_earlier_copy(result)
        conclusion = conclude(attempt, intent, answer)
        if latest is not None:
            _record_outcome(latest, conclusion.outcome or conclusion.reply.outcome, answer.event)
        return conclusion

    commit_conclusion(message, attempt, record)


def provider_inquiry(
    message: Message, attempt: Attempt, conclude: Callable[[Attempt, ProviderResult], CallResult]
) -> None:
    """Ask the provider for the outcome of ``attempt``, and answer the command.

    ``conclude`` gets the attempt under lock, and compares the answer with our records from before the
    inquiry, which the caller has read. If the inquiry cannot be sent, or is refused for this account, the
    outcome is unknown: that says nothing about the attempt.
    """
    account, code = attempt.provider_account, attempt.order_code
    result = ask_provider(account, Verb.INQUIRE, lambda provider: provider.inquire(code))
    if result.outcome in (Outcome.NOT_SENT, Outcome.NOT_ABLE):
        result = replace(result, outcome=Outcome.UNKNOWN, refusal=None)

    def record(locked: Attempt) -> CallResult:
        conclusion = conclude(locked, result)
        if is_beyond_ours(locked.payment.amount, lambda: sums_of_attempt(locked).charged_back, result):
            compare_books_again(locked)
        return conclusion

    commit_conclusion(message, attempt, record)


# Step 1: the intent.


def is_known_call(attempt: Attempt, intent: Intent, message: Message) -> bool:
    """Return True if an intent of the call was written before. The attempt must be locked.

    Raises ``AlreadyHandled`` if the message was answered before. Every answer is recorded under the same
    lock. Without this check, the redelivery of a command that was answered "not sent" would send the request
    after all.
    """
    known = _KNOWN.get(attempt.pk, service.name, message.envelope.message_id, intent.key)
    if known.is_answered:  # type: ignore[attr-defined]
        raise AlreadyHandled(message.envelope.message_id)
    return bool(known.is_intended)  # type: ignore[attr-defined]


_KNOWN = Compiled(
    lambda attempt, consumer, id, key: (
        Attempt.objects.only("pk")
        .filter(pk=attempt)
        .annotate(
            is_answered=Exists(InboxMessage.objects.filter(consumer=consumer, message_id=id)),
            is_intended=Exists(ProviderCall.objects.filter(key=key)),
        )
        .order_by()
    )
)


def commit_intent(attempt: Attempt, intent: Intent, *, is_known: bool) -> ProviderCall | None:
    """Write the intent. Return it if the provider is to be called now. The attempt must be locked.

    A call may be made again with the same key if it was not sent, if it never arrived according to the
    provider's answer and still ``moves_once``, or if it is idempotent and its outcome is unknown. Every other
    existing intent stands for a call that was made, or is just being made. The intent gets its start, by the
    database's clock, when the batch is written.
    """
    alone = _is_alone(attempt, intent)
    recognised = recognised_key(attempt.provider_account, intent.verb, intent.key)
    if not is_known:
        call = ProviderCall(
            key=intent.key,
            attempt=attempt,
            verb=intent.verb,
            started_at=server_time(),
            was_alone=alone,
            recognised_key=recognised,
        )
        insert_in_batch(call, read_back="started_at")
        return call
    call = _CALL.get(intent.key)
    if call.outcome in TO_BE_SENT_AGAIN and _may_be_sent_again(call):
        # The key of the first copy that may have arrived is the one that the provider recognises.
        key = recognised if call.earlier_at is None else call.recognised_key
        ProviderCall.objects.filter(pk=call.pk).update(
            outcome="", started_at=server_time(), finished_at=None, was_alone=alone, recognised_key=key
        )
        return _CALL.get(intent.key)
    is_repeated = intent.is_idempotent and (call.outcome or Outcome.UNKNOWN) == Outcome.UNKNOWN
    return call if is_repeated else None


def _may_be_sent_again(call: ProviderCall) -> bool:
    """Return True if no copy had an effect so far, or if another copy moves no money twice.

    Staff may also have accepted the risk. The latest copy says nothing about an earlier one, even if it
    certainly had no effect.
    """
    if call.outcome in WITHOUT_EFFECT and (call.earlier_at is None or not call.recognised_key):
        return True
    return moves_once(call)


def _is_alone(attempt: Attempt, intent: Intent) -> bool:
    """Return True if the order's next event at the provider can only come from this modification."""
    if intent.verb not in MODIFICATIONS:
        return True
    others = [each for each in operations_under_lock(attempt) if each.reference != intent.key]
    if any(each.state in WITHOUT_END for each in others):
        return False
    # While a request is just being sent, its operation's state does not show that yet.
    return not others or not attempt.provider_calls.filter(outcome="", verb__in=MODIFICATIONS).exists()


_CALL = Compiled(lambda key: ProviderCall.objects.filter(key=key).order_by())


def stored_outcome(intent: Intent) -> str:
    """Return the recorded outcome of an earlier call, or ``unknown`` if none is recorded."""
    call = _CALL.first(intent.key)
    return (call.outcome if call else "") or Outcome.UNKNOWN


# Step 2: the call.


@dataclass(frozen=True, slots=True)
class SendWindow:
    """The time from the decision to send a request until half the settling time later.

    A process may be stopped in between. It must not send a request after an inquiry found that the request
    never arrived. A request that is sent within the window arrives within the settling time. Two clocks are
    read: the monotonic clock stands still while the machine is suspended, and the other may be set back.
    """

    ends_monotonic: float
    ends_at: datetime

    @classmethod
    def opened(cls) -> Self:
        """Return the window of a request whose sending is decided now."""
        length = conf.settling_time / 2
        return cls(time.monotonic() + length.total_seconds(), timezone.now() + length)

    @property
    def is_over(self) -> bool:
        """Return True if it is too late to send anything."""
        return time.monotonic() > self.ends_monotonic or timezone.now() > self.ends_at


def ask_provider(
    account: ProviderAccount, verb: Verb, send: Send, *, window: SendWindow | None = None
) -> ProviderResult:
    """Return the provider's answer, or a result that stands for the error. Provider errors are not raised.

    The request is not sent once ``window`` is over.
    """
    begin = time.monotonic()
    with traces.span(
        f"{verb} {account.provider}",
        "client",
        **{"provider.account": account.code, "provider.verb": str(verb)},
    ) as span:
        result = _answer_of(account, send, window)
        span.note("provider.outcome", str(result.outcome))
    provider_calls.note(time.monotonic() - begin, account.code, verb, result.outcome)
    return result


def _answer_of(account: ProviderAccount, send: Send, window: SendWindow | None) -> ProviderResult:
    if not connection.in_atomic_block:
        # A provider may take a minute, and database connections are few.
        close_old_connections()
    crash_points.reached("payments.intent_committed")
    try:
        if window is not None and window.is_over:
            # This process did not send it, but another process may have sent it again meanwhile.
            raise OutcomeUnknown("This process was held up too long to send it any more.")
        result = send(get_provider(account.opened()))
        crash_points.reached("payments.answered")
        if result.outcome == Outcome.NOT_ABLE:
            said = result.refusal.description if result.refusal else result.event
            log.error("provider account misconfigured", account=account.code, reason=said)
        return result
    except ProviderUnavailable as error:
        log.info("provider not reached", account=account.code, reason=str(error))
        return _silence(Outcome.NOT_SENT, error)
    except AmountNotSupported as error:
        # Another try would fail in the same way: a request needs another amount.
        log.error("amount not supported by provider account", account=account.code, reason=str(error))
        refusal = Refusal(reason=RefusalReason.INVALID_REQUEST, code=error.code, description=str(error))
        return ProviderResult(outcome=Outcome.REFUSED, event=error.code, refusal=refusal)
    except ProviderMisconfigured as error:
        log.error("provider account misconfigured", account=account.code, reason=str(error))
        return _silence(Outcome.NOT_ABLE, error)
    except OutcomeUnknown as error:
        log.info("provider's outcome unknown", account=account.code, reason=str(error))
        return _silence(Outcome.UNKNOWN, error)
    except ProviderReplyInvalid as error:
        log.error("provider's reply not understood", account=account.code, reason=str(error))
        return _silence(Outcome.UNKNOWN, error)


def _silence(outcome: Outcome, error: ProviderError) -> ProviderResult:
    refusal = Refusal(reason=RefusalReason.PROVIDER_ERROR, code=error.code, description=str(error))
    return ProviderResult(
        outcome=outcome,
        event=error.code,
        refusal=refusal if outcome in WITHOUT_EFFECT else None,
        transcript=str(error),
    )


def not_sent(reason: RefusalReason, *, code: str = "", description: str = "") -> ProviderResult:
    """Return the result of a request that we refuse to send. Staff see ``code`` and ``description``."""
    refusal = Refusal(reason=reason, code=code, description=description)
    return ProviderResult(outcome=Outcome.NOT_SENT, refusal=refusal)


# Step 3: the outcome.


def commit_conclusion(message: Message, attempt: Attempt, record: Callable[[Attempt], CallResult]) -> None:
    """Lock the attempt, run ``record``, write its fact, and send its reply, in one transaction.

    If another copy of the command was answered meanwhile (with "unknown", because it found our intent), the
    result is recorded as well, so that the inquiry after an unknown outcome finds it. A conflict is also sent
    to the orchestrator as an event, because the saga may have gone on without this answer.
    """
    try:
        with message.once():
            reply = _recorded(attempt, record)
            message.reply(reply)
            if reply.outcome == ProviderOutcome.CONFLICTED:
                _send_conflict(attempt)
    except AlreadyHandled:
        with transaction.atomic(), batch():
            if _recorded(attempt, record).outcome == ProviderOutcome.CONFLICTED:
                _send_conflict(attempt)
        raise


def _recorded(
    attempt: Attempt, record: Callable[[Attempt], CallResult]
) -> ProviderAnswered | ClaimChecked | AttemptReviewed:
    conclusion = record(attempt_under_lock(attempt.order_code))
    if conclusion.fact is not None:
        insert_in_batch(conclusion.fact)
        if (
            isinstance(conclusion.reply, ProviderAnswered)
            and conclusion.reply.outcome == ProviderOutcome.CONFLICTED
        ):
            log.error("provider contradicts us", attempt=attempt.order_code, said=conclusion.reply.event)
    return conclusion.reply


def _send_conflict(attempt: Attempt) -> None:
    reference = attempt.payment.reference
    event = ApplyProviderEvent(payment=reference, attempt=attempt.order_code, kind=ProviderOutcome.CONFLICTED)
    send_to_checkout(event, reference)


def _latest_of(made: ProviderCall) -> ProviderCall | None:
    """Return the stored row of the call that was made; None if the call has been made again since."""
    call = _CALL.first(made.key)
    return call if call is not None and call.started_at == made.started_at else None


def _of_an_earlier_copy(result: ProviderResult) -> ProviderResult:
    """Return the meaning of a late answer to a call that has been made again since.

    If the call was done, that stays true. If nothing was done, the later copy may still have an effect.
    """
    is_without_effect = result.outcome in (Outcome.REFUSED, *WITHOUT_EFFECT)
    return replace(result, outcome=Outcome.UNKNOWN) if is_without_effect else result


def _record_outcome(call: ProviderCall, outcome: str, event: str) -> None:
    """Write the outcome of a call."""
    call.outcome, call.event, call.finished_at = outcome, event[:100], server_time()
    update_in_batch(call, "outcome", "event", "finished_at")
