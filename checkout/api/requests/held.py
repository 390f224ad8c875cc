"""The wait of a held request: for the saga's answer over the reply queue, without a thread."""

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

import structlog

from checkout.api.answers.answer import Answer
from checkout.api.requests.idempotency import Keyed, Made, answer_in, concluded, once, require_ended, settle
from checkout.payments.checkout_messages import AwaitOperation, AwaitPayment
from messaging import rpc
from messaging.errors import MessagingError
from payments_gateway.serving.process.graceful_shutdown import drain

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Held:
    """A request whose action is committed, and which may wait for the result.

    ``first`` is the answer without a result. ``finish`` returns the answer after the wait, and ``release``
    ends the hold of a request whose client has left; both run in a database thread.
    """

    first: Answer
    seconds: float
    command: AwaitPayment | AwaitOperation
    finish: Callable[[], Answer]
    release: Callable[[], object] = lambda: None

    async def wait(self) -> None:
        """Wait until the saga answers. Return without an answer if the time is over or the broker away."""
        if self.seconds <= 0 or drain.has_begun:
            return
        command, payment = self.command, self.command.payment
        try:
            await rpc.acall(*command.address, command, timeout_seconds=self.seconds, subject=payment)
        except MessagingError as error:
            log.info("no answer in time", payment=payment, type=command.to, reason=error.code)


def held_once(
    keyed: Keyed,
    act: Callable[[], Made],
    *,
    seconds: float,
    command: Callable[[str], AwaitPayment | AwaitOperation],
    present: Callable[[str], Answer],
) -> Answer | Held:
    """Carry ``act`` out once, and hold the request until its outcome is known, or repeat its answer.

    ``present`` returns the answer about a subject as it is now: a 202 as long as the outcome is not known.
    ``command`` makes the question by which the request waits for it. Raises the errors of ``once``.
    """
    record, is_replay = once(keyed, act, held_seconds=seconds)
    if record.status != HTTPStatus.ACCEPTED:
        return answer_in(record, is_replay=is_replay)
    if is_replay:
        now = present(record.subject)
        if now.status != HTTPStatus.ACCEPTED:
            return concluded(record, now, is_replay=True)
        require_ended(record)
    return Held(
        first=answer_in(record, is_replay=is_replay),
        seconds=seconds,
        command=command(record.subject),
        finish=lambda: concluded(record, present(record.subject), is_replay=is_replay),
        release=lambda: settle(record, None),
    )
