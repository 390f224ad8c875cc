"""Injection of faults into the answer to a message, as knobs request."""

import asyncio
from collections.abc import Callable
from time import monotonic

from starlette.responses import Response

from sandbox.books.books import Books
from sandbox.books.orders import fold
from sandbox.changes import ChangeSignal, changed_within
from sandbox.faults.fault_settings import Knobs, ReplyKnob
from sandbox.faults.record import FaultRecord
from sandbox.notifications.outgoing import Outgoing
from sandbox.wpg.broken_replies import after, before
from sandbox.wpg.incoming import Message

LONGEST_NOTIFICATION_WAIT_SECONDS = 10
# Less than merchants wait for a reply: an early notification must not look like a failure.
LONGEST_EARLY_SECONDS = 2


class FaultInjection:
    """The fault injection. `notifies` is True if this sandbox sends notifications."""

    def __init__(
        self,
        knobs: Knobs[ReplyKnob],
        fault_record: FaultRecord,
        books: Books,
        outgoing: Outgoing,
        changes: ChangeSignal,
        *,
        notifies: bool,
    ) -> None:
        self._knobs = knobs
        self._fault_record = fault_record
        self._books = books
        self._outgoing = outgoing
        self._changes = changes
        self._notifies = notifies

    async def reply(self, message: Message, act: Callable[[], Response]) -> Response:
        """Return the reply to the message, as changed by a knob. `act` acts upon the message and replies."""
        struck = self._knobs.strike(message.verb)
        if struck is None:
            reply = act()
            if self._is_early(message):
                await self._notified(message.order_code, LONGEST_EARLY_SECONDS)
            return reply
        knob, random = struck
        with self._fault_record.connection:
            self._fault_record.note(message.order_code, message.verb, knob.fault or "delay")
        await asyncio.sleep(knob.delay_seconds(random))
        if instead := before(knob, message):
            return instead
        reply = act()
        if knob.fault == "after_notification":
            await self._notified(message.order_code, LONGEST_NOTIFICATION_WAIT_SECONDS)
        return after(knob, message, reply)

    def _is_early(self, message: Message) -> bool:
        if message.verb not in ("capture", "refund") or not self._notifies:
            return False
        order = fold(self._books.entries(message.order_code))
        return order is not None and "early_notification" in order.traits

    async def _notified(self, order_code: str, longest_seconds: float) -> None:
        """Wait until the order's notifications have been posted, for at most `longest_seconds`."""
        until = monotonic() + longest_seconds
        with self._changes.listening() as changed:
            while self._outgoing.is_open(order_code) and (left := until - monotonic()) > 0:
                changed.clear()
                await changed_within(changed, left)
