"""The record of all answers to clients and their times, on which the invariants are checked."""

import time
from collections import defaultdict
from dataclasses import dataclass

from tests.faults.ear import Ear

NO_ANSWER = 0


@dataclass(frozen=True, slots=True)
class Seen:
    """One response, or none (`status` 0). `at` is a monotonic time; `state` is "" if there was none."""

    at: float
    seconds: float
    payment: str
    request: str
    status: int
    state: str = ""
    is_paid: bool = False
    is_final: bool = False
    note: str = ""

    @property
    def began(self) -> float:
        return self.at - self.seconds

    def __str__(self) -> str:
        said = f" {self.state}" if self.state else ""
        return f"{self.request} → {self.status or 'no answer'}{said} {self.note}".rstrip()


@dataclass(frozen=True, slots=True)
class Asked:
    """A request of the merchant with its idempotency key, and the answer: a reference or an error's name."""

    payment: str
    kind: str
    minor: int | None
    key: str
    answer: str


@dataclass(frozen=True, slots=True)
class Repeated:
    """A request to the API that was repeated after its final answer. Both answers should be the same."""

    payment: str
    path: str
    key: str
    is_same: bool


@dataclass(frozen=True, slots=True)
class LateReturn:
    """The first return from a challenge after its expiry. The shopper saw the challenge at `began`."""

    payment: str
    began: float
    ended: float


class Recorder:
    """The record of every response by payment; "" is the key for responses that concern no payment.

    `ears` are the open WebSockets. `ticked` has the payments whose shoppers want the card saved, `chosen`
    those whose shoppers used a saved card. `removed` has the time (seconds since the epoch) at which the
    removal of a card was confirmed, `erased` that of the erasure of a payment. `used_portal` has the payments
    with which somebody did something in the provider's portal. `charges_refused` has the orders whose charge
    to a saved card was refused.
    """

    def __init__(self) -> None:
        self.histories: dict[str, list[Seen]] = defaultdict(list)
        self.asked: list[Asked] = []
        self.repeated: list[Repeated] = []
        self.late_returns: list[LateReturn] = []
        self.ears: set[Ear] = set()
        self.ticked: set[str] = set()
        self.chosen: set[str] = set()
        self.removed: dict[str, float] = {}
        self.erased: dict[str, float] = {}
        self.used_portal: set[str] = set()
        self.charges_refused: set[str] = set()
        self.card_faults: list[str] = []

    def add(self, seen: Seen) -> None:
        self.histories[seen.payment].append(seen)

    @property
    def payments(self) -> list[str]:
        """Return the payments that any client knows."""
        return [reference for reference in self.histories if reference]


def now() -> float:
    return time.monotonic()
