"""Settings of a test for the next replies, notifications, bookings and orders, besides the magic values.

A knob takes effect a number of times, or until the next reset; always, or with a seeded probability.
"""

from dataclasses import dataclass, field
from random import Random
from typing import Annotated, Any, Generic, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from sandbox.faults.kinds import ONLY_AT, Journal, NotificationFault, Page, PageFault, ReplyFault, Verb
from sandbox.traits import Trait

LONGEST_DELAY_MS = 600_000
Milliseconds = Annotated[int, Field(ge=0, le=LONGEST_DELAY_MS)]


class Knob(BaseModel):
    """A knob. `times` None means until the next reset. `seed` determines the draws for `probability`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    times: Annotated[int, Field(ge=1, le=1_000_000)] | None = 1
    probability: Annotated[float, Field(gt=0, le=1)] = 1
    seed: int = 0

    def is_for(self, occasion: str) -> bool:
        raise NotImplementedError


class ReplyKnob(Knob):
    """A knob that changes replies to `verb`.

    `delay_ms` is the wait before the message is acted upon. With a `spread`, it is the median of a log-normal
    delay whose logarithm has the standard deviation `spread`. `drip_ms` is the time between two bytes.
    `account` is the name of the account in a `stray_balance`.
    """

    verb: Verb | Literal["any"]
    fault: ReplyFault | None = None
    delay_ms: Milliseconds = 0
    spread: Annotated[float, Field(ge=0, le=5)] = 0
    drip_ms: Annotated[int, Field(ge=1, le=60_000)] = 50
    account: Annotated[str, Field(pattern="^[A-Z_]{1,50}$")] = "IN_PROCESS_SENT_FOR_AUTH"

    def is_for(self, occasion: str) -> bool:
        return self.verb in {"any", occasion}

    def delay_seconds(self, random: Random) -> float:
        delay_ms = self.delay_ms * random.lognormvariate(0, self.spread) if self.spread else self.delay_ms
        return min(delay_ms, LONGEST_DELAY_MS) / 1000


class NotificationKnob(Knob):
    """A knob that changes notifications of `journal`, one type or several.

    `delay_ms` is the time before each of the `copies`.
    """

    journal: Journal | Literal["any"] | list[Journal] = "any"
    fault: NotificationFault | None = None
    delay_ms: Milliseconds = 0
    copies: Annotated[int, Field(ge=1, le=100)] = 1

    def is_for(self, occasion: str) -> bool:
        if isinstance(self.journal, list):
            return occasion in self.journal
        return self.journal in {"any", occasion}


class BookingKnob(Knob):
    """A knob that makes accepted captures, or refunds, fail when they should be booked.

    It is for orders whose code begins with `order`. Its occasion is the kind of booking and the order's code.
    """

    fault: Literal["capture_failed", "refund_failed"]
    order: str = ""

    def is_for(self, occasion: str) -> bool:
        kind = {"capture_failed": "CAPTURED", "refund_failed": "REFUNDED"}[self.fault]
        return occasion.startswith(f"{kind} {self.order}")


class OrderKnob(Knob):
    """A knob that gives exactly these traits to the next orders whose code begins with `order`."""

    traits: list[Trait]
    order: str = ""

    def is_for(self, occasion: str) -> bool:
        return occasion.startswith(self.order)


class PageKnob(Knob):
    """A knob that changes a page of the provider or issuer. `delay_ms` is the wait before the answer."""

    page: Page
    fault: PageFault | None = None
    delay_ms: Milliseconds = 0

    @model_validator(mode="after")
    def _has_fault(self) -> Self:
        only_at = ONLY_AT.get(self.fault or "", self.page)
        if only_at != self.page:
            raise ValueError(f"the fault {self.fault} is one of the page {only_at}")
        return self

    def is_for(self, occasion: str) -> bool:
        return occasion == self.page


K = TypeVar("K", bound=Knob)


class Knobs(Generic[K]):
    """Knobs of one kind, oldest first. The first one that matches an occasion and is drawn takes effect."""

    def __init__(self) -> None:
        self._held: list[_Held[K]] = []

    def reset(self) -> None:
        self._held.clear()

    def turn(self, knob: K) -> None:
        self._held.append(_Held(knob))

    def pending(self) -> list[dict[str, Any]]:
        """Return the knobs as they were posted, with the remaining number of times."""
        return [held.knob.model_dump(exclude_unset=True) | held.left() for held in self._held]

    def strike(self, occasion: str) -> tuple[K, Random] | None:
        """Return the knob for this occasion and its source of randomness; None if no knob takes effect."""
        for held in self._held:
            if held.knob.is_for(occasion) and held.random.random() < held.knob.probability:
                held.strikes += 1
                if held.strikes == held.knob.times:
                    self._held.remove(held)
                return held.knob, held.random
        return None


@dataclass(frozen=True, slots=True)
class Scenario:
    """All knobs of one sandbox, by their kind."""

    replies: Knobs[ReplyKnob] = field(default_factory=Knobs)
    notifications: Knobs[NotificationKnob] = field(default_factory=Knobs)
    bookings: Knobs[BookingKnob] = field(default_factory=Knobs)
    orders: Knobs[OrderKnob] = field(default_factory=Knobs)
    pages: Knobs[PageKnob] = field(default_factory=Knobs)

    def reset(self) -> None:
        """Remove all knobs."""
        for knobs in (self.replies, self.notifications, self.bookings, self.orders, self.pages):
            knobs.reset()


class _Held(Generic[K]):
    def __init__(self, knob: K) -> None:
        self.knob = knob
        self.random = Random(knob.seed)  # noqa: S311 - repeatable by design
        self.strikes = 0

    def left(self) -> dict[str, int]:
        return {} if self.knob.times is None else {"times": self.knob.times - self.strikes}
