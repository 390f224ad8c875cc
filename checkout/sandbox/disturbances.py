"""Puts the faults that a knob asks for around the answer to a message."""

import asyncio
from collections.abc import Callable
from time import monotonic

from starlette.responses import Response

from checkout.sandbox.bell import Bell, rung_within
from checkout.sandbox.breakdowns import after, before
from checkout.sandbox.incidents import Incidents
from checkout.sandbox.incoming import Message
from checkout.sandbox.knobs import Knobs, ReplyKnob
from checkout.sandbox.outgoing import Outgoing

LONGEST_NOTIFICATION_WAIT_SECONDS = 10


class Disturbances:
    def __init__(self, knobs: Knobs[ReplyKnob], incidents: Incidents, outgoing: Outgoing, bell: Bell) -> None:
        self._knobs = knobs
        self._incidents = incidents
        self._outgoing = outgoing
        self._bell = bell

    async def reply(self, message: Message, act: Callable[[], Response]) -> Response:
        """The reply to the message, or what a knob makes of it. `act` acts upon the message and replies."""
        struck = self._knobs.strike(message.verb)
        if struck is None:
            return act()
        knob, random = struck
        with self._incidents.connection:
            self._incidents.note(message.order_code, message.verb, knob.fault or "delay")
        await asyncio.sleep(knob.delay_seconds(random))
        if instead := before(knob.fault):
            return instead
        reply = act()
        if knob.fault == "after_notification":
            await self._notified(message.order_code)
        return after(knob, reply)

    async def _notified(self, order_code: str) -> None:
        """Waits until the order's notifications have been posted, at most for ten seconds."""
        until = monotonic() + LONGEST_NOTIFICATION_WAIT_SECONDS
        with self._bell.listening() as rung:
            while self._outgoing.is_open(order_code) and (left := until - monotonic()) > 0:
                rung.clear()
                await rung_within(rung, left)
