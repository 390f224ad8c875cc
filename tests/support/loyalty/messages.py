"""The commands of the loyalty service, and their answers."""

from enum import StrEnum

from checkout.messages import Answer, Command, Done


class Points(StrEnum):
    """The result of a reservation of points."""

    HELD = "held"
    SHORT = "short"


class PointsHeld(Answer, frozen=True):
    held: bool

    @property
    def says(self) -> Points:
        """The result of the reservation."""
        return Points.HELD if self.held else Points.SHORT


class HoldPoints(Command[PointsHeld], frozen=True):
    to = "loyalty.hold"
    again = "nothing more is held; after the release, nothing at all"

    payment: str
    attempt: str
    minor: int
    email: str = ""


class ReleasePoints(Command[Done], frozen=True):
    to = "loyalty.release"
    again = "nothing changes"

    attempt: str


class AwardPoints(Command[Done], frozen=True):
    to = "loyalty.award"
    again = "nothing more is awarded"

    payment: str
    attempt: str
    captures: bool


class TakePointsBack(Command[Done], frozen=True):
    to = "loyalty.take_back"
    again = "nothing changes; nothing is awarded afterwards"

    attempt: str
