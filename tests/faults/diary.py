"""The record of what was broken, and when."""

from collections import Counter
from dataclasses import dataclass, field

from tests.faults.recorder import now


@dataclass(frozen=True, slots=True)
class Injection:
    """One fault: its number (F1 to F25), what was done, from when to when."""

    number: str
    text: str
    began: float
    ended: float


@dataclass
class Diary:
    """`mishaps` are what the product must not do whatever happens: end by itself, or not end when asked to.

    `excused` are the ids of messages that were thrown away, with their queue, before they were handled;
    `poisoned` is how many messages were sent that nobody can handle.
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
