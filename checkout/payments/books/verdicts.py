"""The verdicts of the comparison of our books with the provider's."""

from dataclasses import dataclass
from enum import StrEnum


class Conclusion(StrEnum):
    """The conclusion about one of our operations, or about an event that none of ours explains.

    Of an operation: it was made (``SETTLED``), or was not and never will be (``REFUSED``); the provider will
    make it (``ACCEPTED``); the latest copy of its request was not carried out (``NOT_MADE``), or the provider
    has never had any (``ABSENT``); or the provider tells of other money than ours (``CONTRADICTION``).

    Of an event: the provider confirms or denies it, or our books adopt the movement (``ADOPTED``). If it
    cannot be adopted without a guess, it is ``UNCLEAR``, and staff decide.

    Nothing follows from the answer (``OPEN``), or it should tell and does not (``UNDECIDED``): after several
    such answers, only a person can find out.
    """

    SETTLED = "settled"
    REFUSED = "refused"
    ACCEPTED = "accepted"
    NOT_MADE = "not_made"
    ABSENT = "absent"
    CONTRADICTION = "contradiction"
    CONFIRMED = "confirmed"
    DENIED = "denied"
    ADOPTED = "adopted"
    UNCLEAR = "unclear"
    OPEN = "open"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A conclusion, and the ``row`` of the table in ``docs/books.md`` that gives it.

    ``reason`` is the reason of a refusal, in our vocabulary, ``minor`` the amount that is adopted, in minor
    units, and ``why`` the explanation for staff.
    """

    conclusion: Conclusion
    row: str
    reason: str = ""
    minor: int = 0
    why: str = ""
