"""Everything that a schedule leaves to chance, decided by its seed."""

import math
from collections.abc import Sequence
from random import Random
from typing import TypeVar

T = TypeVar("T")

# How often each fault happens where it could, in schedules that have it, and how many a schedule has at most.
# The product is to survive faults, not to make progress while they never end.
FAULTS: dict[str, tuple[tuple[float, ...], int]] = {
    "crash": ((0.002, 0.01, 0.04), 5),
    "database_lost": ((0.005, 0.03), 4),
    "connection_cut": ((0.005, 0.03), 4),
    "publish_refused": ((0.02, 0.1), 6),
    "publish_uncertain": ((0.02, 0.1), 6),
    "doubled": ((0.03, 0.2), 20),
    "provider": ((0.1, 0.4), 6),
    # The share of lost answers on top for requests that move money: those answers must not be guessed.
    "movement_lost": ((0.4, 0.8), 6),
    "notification_copied": ((0.3,), 6),
    "notification_late": ((0.3,), 6),
    "notification_forged": ((0.2, 0.4), 4),
    "booking_forged": ((0.5,), 3),
    "notification_wrong": ((0.3,), 3),
    "release_late": ((0.5,), 2),
    "refund_returned": ((0.3, 0.7), 4),
    "stall": ((0.03, 0.2), 3),
    "freeze": ((0.005, 0.02), 3),
    "poison": ((0.5,), 1),
    "hiccup": ((0.02, 0.1), 20),
}


# How many of the schedules have a certain kind of fault: few kinds at a time leave less to blunder into.
LIKELIHOOD = 0.4
# The gateway's hardest questions follow from an answer that was lost about money that was moved.
LIKELIER = {"movement_lost": 0.7, "refund_returned": 0.7}


class Chance:
    """A source of decisions; the same seed decides the same."""

    def __init__(self, seed: int) -> None:
        self._random = Random(f"schedule {seed}")
        self._rates = {
            name: self._random.choice(rates)
            if self._random.random() < LIKELIER.get(name, LIKELIHOOD)
            else 0.0
            for name, (rates, _) in FAULTS.items()
        }
        self._left = {name: most for name, (_, most) in FAULTS.items()}
        self._pace = self._random.choice((0.001, 0.02, 0.3))
        self._issuers = Random(f"issuers of schedule {seed}")
        self._share_of_bad_issuers = self._issuers.choice((0.0, 0.0, 0.0, 0.3))
        self._liars = Random(f"liars of schedule {seed}")
        self._share_of_lies = self._liars.choice((0.0, 0.0, 0.5))
        self.happened: dict[str, int] = {}

    def calm_down(self) -> None:
        """No faults any more."""
        self._rates = dict.fromkeys(self._rates, 0.0)

    def happens(self, fault: str) -> bool:
        """Return True if ``fault`` happens now."""
        rate = self._rates[fault]
        if not rate or not self._left[fault] or self._random.random() >= rate:
            return False
        self._left[fault] -= 1
        self.happened[fault] = self.happened.get(fault, 0) + 1
        return True

    def issuer_refuses_capture(self) -> bool:
        """Say if the issuer does not stand by an authorisation. No fault: it is not counted as one."""
        return self._issuers.random() < self._share_of_bad_issuers

    def refund_is_denied(self) -> bool:
        """Say if it is said of a refund that was made, in its name, that it failed. Not counted either."""
        return self._liars.random() < self._share_of_lies

    def refund_is_made_after_all(self) -> bool:
        """Say if a refund that came back goes to the cardholder in the end. Not counted either."""
        return self._liars.random() < 0.5

    def moment(self) -> float:
        """Return seconds that something takes inside our own house: mostly short, now and then long."""
        if self.happens("hiccup"):
            return self.between(1, 30) if self.of(0.8) else self.between(30, 1500)
        return self.around(self._pace)

    def around(self, mean: float) -> float:
        """Return seconds, exponentially distributed."""
        return -mean * math.log(1 - self._random.random())

    def between(self, least: float, most: float) -> float:
        """Return a number in between."""
        return self._random.uniform(least, most)

    def number(self, least: int, most: int) -> int:
        """Return a whole number in between, both included."""
        return self._random.randint(least, most)

    def of(self, likelihood: float) -> bool:
        """Return True with this likelihood."""
        return self._random.random() < likelihood

    def one_of(self, choices: Sequence[T], weights: Sequence[float] | None = None) -> T:
        """Return one of ``choices``."""
        return self._random.choices(choices, weights)[0]
