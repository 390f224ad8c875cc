"""The wait of a held request: for the saga's answer over the reply queue, without a thread."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog

from checkout.api.answers.answer import Answer
from checkout.messages import Command
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
    subject: str
    command: Command[Any]
    finish: Callable[[], Answer]
    release: Callable[[], object] = lambda: None

    async def wait(self) -> None:
        """Wait until the saga answers. Return without an answer if the time is over or the broker away."""
        if self.seconds <= 0 or drain.has_begun:
            return
        try:
            await rpc.acall(
                *self.command.address, self.command, timeout_seconds=self.seconds, subject=self.subject
            )
        except MessagingError as error:
            log.info("no answer in time", payment=self.subject, type=self.command.to, reason=error.code)
