"""A supervisor of one connection: after a loss it makes a new connection object, after a random pause."""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Sequence

import pika
import structlog
from pika.exceptions import AMQPError

from messaging.logs.outage import Outage
from messaging.rabbitmq.connection.link import Link

log = structlog.get_logger(__name__)

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 5.0
SET_UP_TIMEOUT_SECONDS = 15.0
# A connection that lasted this long counts as good. A shorter one makes the next pause longer.
PROVEN_SECONDS = 30.0
# A working node answers sooner. With several addresses, this process's queue is made anew in half of this.
ATTEMPT_SECONDS = 2.0


class Supervisor:
    """A loop that connects, prepares the connection, waits for its end, reports the loss, and starts again.

    The nodes in ``parameters`` are tried in turn. The pauses between attempts grow with each round.
    ``prepare`` sets up channels and queues on a new link. ``on_ready`` is called when that is done, and
    ``on_lost`` once for every link that had become ready. Each callback knows its link, so late ones of an
    earlier link are ignored. If no node can be reached, that is reported to ``outage``.

    ``first_attempt`` is set when the first attempt has ended. It is cleared for the first attempt after a
    lost connection, for ATTEMPT_SECONDS at most, unless every node has been lost in turn. Callers wait for
    this attempt, because another node usually answers at once.
    """

    def __init__(
        self,
        name: str,
        parameters: Sequence[pika.ConnectionParameters],
        prepare: Callable[[Link], Awaitable[None]],
        on_ready: Callable[[], None],
        on_lost: Callable[[str], None],
        outage: Outage,
    ) -> None:
        self.name = name
        self.incarnation = 0
        self.link: Link | None = None
        self.ready = asyncio.Event()
        self.first_attempt = asyncio.Event()
        self._nodes = list(parameters)
        self._order = list(parameters)
        self._prepare = prepare
        self._on_ready = on_ready
        self._on_lost = on_lost
        self._outage = outage
        self._failures = 0
        self._vain_attempts = 0  # since a connection was ready
        self._is_stopping = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to connect. Further calls do nothing."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run(), name=f"supervise {self.name}")

    async def stop(self) -> None:
        """Close the connection and do not reconnect."""
        task, self._task = self._task, None
        if task is None:
            return
        self._is_stopping = True
        if self.link is not None:
            await self.link.close()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    def abort(self, reason: str) -> None:
        """Abort the present connection."""
        if self.link is not None:
            log.warning("connection given up", connection=self.name, reason=reason)
            self.link.abort()

    async def _run(self) -> None:
        try:
            await self._connect_again_and_again()
        finally:
            self.first_attempt.set()  # nobody should wait for another one

    async def _connect_again_and_again(self) -> None:
        while True:
            self.incarnation += 1
            try:
                reason = await self._live()
            except Exception as error:
                # An exception must not end the supervisor: the process would stay alive without a connection.
                log.exception("connection failed by a defect", connection=self.name)
                reason = repr(error)
            if self._is_stopping:
                return
            pause = self._pause_seconds()
            self._report(reason)
            await asyncio.sleep(pause)
            self._go_on_to_the_next_node(had_lasted=not self._failures)

    def _report(self, reason: str) -> None:
        about = {"connection": self.name, "node": self._node.host}
        if not self._vain_attempts:
            log.warning("broker connection lost", reason=reason, incarnation=self.incarnation, **about)
        elif self._vain_attempts < len(self._nodes) and not self._outage.is_on:
            log.info("broker node passed over", reason=reason, **about)
        else:
            self._outage.failed(reason, **about)

    async def _live(self) -> str:
        """Run one connection from its opening to its end, and return why it ended."""
        began = asyncio.get_running_loop().time()
        link: Link | None = None
        try:
            async with asyncio.timeout(SET_UP_TIMEOUT_SECONDS):
                link = await Link.open(self._node, turn=self._rounds)
                await self._prepare(link)
            self.link = link
            self.ready.set()
            self.first_attempt.set()
            self._on_ready()
            reason = _named(await asyncio.shield(link.closed))
        except (AMQPError, OSError, TimeoutError) as error:
            # If the broker closed the connection, its reason is reported, and not the error that followed
            # from it.
            reason = _named(link.closed.result() if link is not None and link.closed.done() else error)
        finally:
            was_ready = self.ready.is_set()
            await self._let_go(link)
        self._vain_attempts = 0 if was_ready else self._vain_attempts + 1
        lasted = asyncio.get_running_loop().time() - began
        # The broker ends a connection when it cannot deliver a message. The next connection will work.
        is_good = lasted > PROVEN_SECONDS or (was_ready and link is not None and link.has_crashed)
        self._failures = 0 if is_good else self._failures + 1
        if not was_ready or self._failures > len(self._nodes):
            self.first_attempt.set()
        return reason

    @property
    def _node(self) -> pika.ConnectionParameters:
        return self._order[0]

    def _go_on_to_the_next_node(self, *, had_lasted: bool) -> None:
        """Put the node that was tried last. After a good connection, restore the order of the others."""
        last = self._order.pop(0)
        others = [node for node in self._nodes if node is not last] if had_lasted else self._order
        self._order = [*others, last]

    async def _let_go(self, link: Link | None) -> None:
        self.link = None
        if self.ready.is_set():
            self.ready.clear()
            self.first_attempt.clear()
            asyncio.get_running_loop().call_later(ATTEMPT_SECONDS, self.first_attempt.set)
            self._on_lost(self.name)
        if link is not None:
            link.abort()
            await asyncio.wait({link.closed}, timeout=1.0)

    @property
    def _rounds(self) -> int:
        """The number of rounds in which every node has failed, since the last good connection."""
        return self._failures // len(self._nodes)

    def _pause_seconds(self) -> float:
        longest = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** min(self._rounds, 10))
        return random.uniform(0, longest)  # noqa: S311 (spreads reconnections)


def _named(reason: BaseException) -> str:
    return f"{type(reason).__name__}: {reason}"
