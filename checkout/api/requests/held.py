"""Held requests, which wait without a thread for the saga's reply, or for new rows."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeVar

import structlog

from checkout.api.answers.answer import Answer
from checkout.api.requests.idempotency import Keyed, Made, answer_in, concluded, once, require_ended, settle
from checkout.payments.checkout_messages import AwaitOperation, AwaitPayment
from messaging import rpc
from messaging.concurrency.database import in_thread
from messaging.errors import MessagingError
from payments_gateway.serving.process.graceful_shutdown import drain

log = structlog.get_logger(__name__)

LOOK_SECONDS = 0.5

T = TypeVar("T")


async def to_its_end(work: Callable[[], T]) -> T:
    """Run ``work`` in a database thread. If the client leaves, the request still lasts until the work ends.

    Otherwise a client that leaves and repeats its request would use several threads, and count only once.
    """
    running = asyncio.ensure_future(in_thread(work))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.gather(running, return_exceptions=True)
        raise


@dataclass(frozen=True, slots=True)
class Held:
    """A request whose action is committed, and which may wait for the result.

    ``first`` is the answer before the result is known. ``finish`` returns the answer after the wait.
    ``release`` is called instead if the client has left. Both run in a database thread.
    """

    first: Answer
    seconds: float
    command: AwaitPayment | AwaitOperation
    finish: Callable[[], Answer]
    release: Callable[[], object] = lambda: None

    async def wait(self) -> None:
        """Wait until the saga answers, the time is over or the broker is unavailable."""
        if self.seconds <= 0 or drain.has_begun:
            return
        command, payment = self.command, self.command.payment
        try:
            await rpc.acall(*command.address, command, timeout_seconds=self.seconds, subject=payment)
        except MessagingError as error:
            log.info("no answer in time", payment=payment, type=command.to, reason=error.code)


@dataclass(frozen=True, slots=True)
class HeldList:
    """A request for a list that is empty now. It waits until ``look`` finds something to list.

    ``first`` is the empty list. ``finish`` returns the list after the wait. Both and ``look`` run in a
    database thread. Nothing announces new rows, so ``look`` is called twice a second.
    """

    first: Answer
    seconds: float
    look: Callable[[], bool]
    finish: Callable[[], Answer]

    async def wait(self) -> None:
        """Wait until there is something to list, the time is over or this process is about to stop."""
        end = asyncio.get_running_loop().time() + self.seconds
        while (left := end - asyncio.get_running_loop().time()) > 0 and not drain.has_begun:
            await asyncio.sleep(min(LOOK_SECONDS, left))
            if await to_its_end(self.look):
                return

    def release(self) -> None:
        """Do nothing: the request began no action that the client's leaving could affect."""


Waiting = Held | HeldList


def held_once(
    keyed: Keyed,
    act: Callable[[], Made],
    *,
    seconds: float,
    command: Callable[[str], AwaitPayment | AwaitOperation],
    present: Callable[[str], Answer],
) -> Answer | Held:
    """Carry out ``act`` once, and hold the request until the outcome is known. Repetitions do not act again.

    ``present`` returns the present answer about a subject, which is a 202 while the outcome is not known.
    ``command`` returns the command with which the request waits for the outcome. Raises the errors of
    ``once``.
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
