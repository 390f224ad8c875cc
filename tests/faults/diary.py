"""The record of the injected faults and their times."""

from collections import Counter
from dataclasses import dataclass, field

from tests.faults.recorder import now


@dataclass(frozen=True, slots=True)
class Injection:
    """One fault: its number (F1 to F32), a description, and the monotonic times of its start and end."""

    number: str
    text: str
    began: float
    ended: float


@dataclass
class Diary:
    """The record. `mishaps` are violations by processes, such as ending by themselves or ignoring SIGTERM.

    `excused` has the ids of messages that may have been lost with a deleted queue. `poisoned` is the number
    of messages that were sent although no service can handle them.
    """

    injections: list[Injection] = field(default_factory=list)
    mishaps: list[str] = field(default_factory=list)
    not_done: list[str] = field(default_factory=list)
    excused: set[str] = field(default_factory=set)
    poisoned: int = 0

    def note(self, number: str, text: str, began: float) -> None:
        self.injections.append(Injection(number, text, began, now()))

    def counts(self) -> Counter[str]:
        return Counter(injection.number for injection in self.injections)

    def between(self, began: float, ended: float) -> list[Injection]:
        return [each for each in self.injections if each.began < ended and began < each.ended]
