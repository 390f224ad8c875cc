"""The time within which a request may be sent after the decision to send it."""

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from django.utils import timezone

from checkout.conf import conf


@dataclass(frozen=True, slots=True)
class SendWindow:
    """The time from the decision to send a request until half the settling time later.

    A process that was stopped in between must not send a request that an inquiry has meanwhile found never to
    have arrived. A request that is sent within the window arrives within the settling time. Two clocks are
    read: the monotonic one stands still while the machine is suspended, and the other may be set back.
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
