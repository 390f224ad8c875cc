"""The commands of the ${name} service, and their answers."""

from enum import StrEnum

from checkout.messages import Answer, Command, Done


class Result(StrEnum):
    """The result of the work: it is done, or it was refused."""

    ACCEPTED = "accepted"
    REFUSED = "refused"


class Begun(Answer, frozen=True):
    """The answer to the command ${name}.begin."""

    result: Result

    @property
    def says(self) -> Result:
        """The result."""
        return self.result


class Begin(Command[Begun], frozen=True):
    """Do the work for an attempt to pay. Its fields are some of those of a purchase."""

    to = "${name}.begin"
    again = "nothing more is done; after it was undone, it is refused"

    payment: str
    attempt: str
    minor: int
    currency: str


class Undo(Command[Done], frozen=True):
    """Undo the work of an attempt that is not paid after all."""

    to = "${name}.undo"
    again = "nothing changes"

    attempt: str
