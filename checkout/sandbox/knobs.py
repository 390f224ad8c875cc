"""What a test sets for the next replies and notifications, on top of the magic values.

A knob strikes a number of times, or until the next reset; always, or with a seeded probability.
"""

from random import Random
from typing import Annotated, Any, Generic, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field

Verb = Literal["submit", "complete", "capture", "cancel", "refund", "inquiry", "list"]
VERBS: tuple[Verb, ...] = get_args(Verb)
ReplyFault = Literal[
    "hang_before",
    "hang_after",
    "reset_before",
    "reset_after",
    "500_before",
    "500_after",
    "503_before",
    "503_after",
    "after_notification",
    "cut",
    "drip",
    "truncated",
    "empty",
    "html",
    "raw_ampersand",
    "wrong_encoding",
    "last_event_null",
    "last_event_unknown",
]
Journal = Literal["AUTHORISED", "REFUSED", "ERROR", "CANCELLED", "CAPTURED", "REFUNDED", "REFUND_FAILED"]
NotificationFault = Literal[
    "duplicate",
    "replayed",
    "overtaken",
    "lost",
    "lost_once",
    "malformed",
    "wrong_amount",
    "wrong_currency",
    "wrong_merchant",
    "wrong_order",
    "contradictory",
    "unknown_status",
    "no_journal",
    "no_reference",
]
LONGEST_DELAY_MS = 600_000
Milliseconds = Annotated[int, Field(ge=0, le=LONGEST_DELAY_MS)]


class Knob(BaseModel):
    """`times` None holds until the next reset. The draws of `probability` follow from `seed` alone."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    times: Annotated[int, Field(ge=1, le=1_000_000)] | None = 1
    probability: Annotated[float, Field(gt=0, le=1)] = 1
    seed: int = 0

    def is_for(self, occasion: str) -> bool:
        raise NotImplementedError


class ReplyKnob(Knob):
    """What happens to replies to `verb`.

    `delay_ms` is waited before the message is acted upon. With a `spread` it is the median of a log-normal
    delay, of which `spread` is the standard deviation of the logarithm. `drip_ms` lies between two bytes.
    """

    verb: Verb | Literal["any"]
    fault: ReplyFault | None = None
    delay_ms: Milliseconds = 0
    spread: Annotated[float, Field(ge=0, le=5)] = 0
    drip_ms: Annotated[int, Field(ge=1, le=60_000)] = 50

    def is_for(self, occasion: str) -> bool:
        return self.verb in {"any", occasion}

    def delay_seconds(self, random: Random) -> float:
        delay_ms = self.delay_ms * random.lognormvariate(0, self.spread) if self.spread else self.delay_ms
        return min(delay_ms, LONGEST_DELAY_MS) / 1000


class NotificationKnob(Knob):
    """What happens to notifications of `journal`. `delay_ms` lies before each of the `copies`, if any."""

    journal: Journal | Literal["any"] = "any"
    fault: NotificationFault | None = None
    delay_ms: Milliseconds = 0
    copies: Annotated[int, Field(ge=1, le=100)] = 1

    def is_for(self, occasion: str) -> bool:
        return self.journal in {"any", occasion}


class BookingKnob(Knob):
    """Refunds that were received are not booked but fail."""

    fault: Literal["refund_failed"]

    def is_for(self, occasion: str) -> bool:
        return occasion == "REFUNDED"


K = TypeVar("K", bound=Knob)


class Knobs(Generic[K]):
    """Knobs of one kind, oldest first: each occasion is struck by the first knob for it that happens to."""

    def __init__(self) -> None:
        self._held: list[_Held[K]] = []

    def reset(self) -> None:
        self._held.clear()

    def turn(self, knob: K) -> None:
        self._held.append(_Held(knob))

    def pending(self) -> list[dict[str, Any]]:
        """As they were posted, with the number of times that is left."""
        return [held.knob.model_dump(exclude_unset=True) | held.left() for held in self._held]

    def strike(self, occasion: str) -> tuple[K, Random] | None:
        """The knob for this occasion with its source of randomness, or None: nothing unusual happens."""
        for held in self._held:
            if held.knob.is_for(occasion) and held.random.random() < held.knob.probability:
                held.strikes += 1
                if held.strikes == held.knob.times:
                    self._held.remove(held)
                return held.knob, held.random
        return None


class _Held(Generic[K]):
    def __init__(self, knob: K) -> None:
        self.knob = knob
        self.random = Random(knob.seed)  # noqa: S311 - repeatable by design
        self.strikes = 0

    def left(self) -> dict[str, int]:
        return {} if self.knob.times is None else {"times": self.knob.times - self.strikes}
