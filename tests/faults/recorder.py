"""The record of what clients were told, and when: the history that the checker judges."""

import time
from collections import defaultdict
from dataclasses import dataclass

from tests.faults.ear import Ear

NO_ANSWER = 0


@dataclass(frozen=True, slots=True)
class Seen:
    """One response, or the lack of one (`status` 0). `at` is monotonic; `state` is what it said, if any."""

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
    """A request of the merchant with an idempotency key, and the answer: a reference or an error's name."""

    payment: str
    kind: str
    minor: int | None
    key: str
    answer: str


@dataclass(frozen=True, slots=True)
class LateReturn:
    """A shopper who met a challenge at `began` and came back, for the first time, when its time was up."""

    payment: str
    began: float
    ended: float


class Recorder:
    """Keeps every response by payment. What is about no payment is kept under an empty name.

    `ears` are the WebSockets that are open.
    """

    def __init__(self) -> None:
        self.histories: dict[str, list[Seen]] = defaultdict(list)
        self.asked: list[Asked] = []
        self.late_returns: list[LateReturn] = []
        self.ears: set[Ear] = set()

    def add(self, seen: Seen) -> None:
        self.histories[seen.payment].append(seen)

    @property
    def payments(self) -> list[str]:
        """The payments that some client knows of."""
        return [reference for reference in self.histories if reference]


def now() -> float:
    return time.monotonic()
