"""Detection of clocks that differ between hosts: a message then seems to arrive before it was sent."""

import time

import structlog

from messaging import tallies
from messaging.envelope import Envelope

log = structlog.get_logger(__name__)

# Messages carry whole seconds, and badly synchronised clocks may differ by a few seconds.
MOST_SECONDS_APART = 10
TOLD_EVERY_SECONDS = 600.0


class ClockWatch:
    """A watch on the times of messages, which reports a difference every ten minutes while it lasts."""

    def __init__(self) -> None:
        self._silent_until = 0.0

    def look_at(self, envelope: Envelope) -> None:
        """Log a warning if, by this host's clock, the message was sent in the future.

        That does not tell which of the two clocks is wrong. If two hosts exchange messages, the host whose
        clock is behind notices the difference.
        """
        ahead = envelope.timestamp - time.time()
        if ahead <= MOST_SECONDS_APART:
            return
        tallies.from_future.add()
        if time.monotonic() < self._silent_until:
            return
        self._silent_until = time.monotonic() + TOLD_EVERY_SECONDS
        sender = envelope.user_id or envelope.app_id
        log.error("message from the future", seconds=round(ahead), sender=sender, type=envelope.type)


watch = ClockWatch()
