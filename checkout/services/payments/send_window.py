"""The time within which a request may be sent after the decision to send it."""

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from django.utils import timezone

from checkout.conf import conf


@dataclass(frozen=True, slots=True)
class SendWindow:
    """From the decision to send something until half the settling time later.

    A process that was stopped in between must not send what an inquiry has meanwhile found never to have
    arrived; what is sent within the window arrives within the settling time. Two clocks are looked at, as one
    stands still while the machine is suspended and the other may be set back.
    """

    ends_monotonic: float
    ends_at: datetime

    @classmethod
    def opened(cls) -> Self:
        """Return the window of what is decided now."""
        length = conf.settling_time / 2
        return cls(time.monotonic() + length.total_seconds(), timezone.now() + length)

    @property
    def is_over(self) -> bool:
        """Return True if it is too late to send anything."""
        return time.monotonic() > self.ends_monotonic or timezone.now() > self.ends_at
