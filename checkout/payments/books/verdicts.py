"""The verdicts of the comparison of our books with the provider's."""

from dataclasses import dataclass
from enum import StrEnum


class Conclusion(StrEnum):
    """The conclusion about one of our operations, or about an event that none of ours explains.

    An operation was made (``SETTLED``), or was not made and never will be (``REFUSED``); or the provider will
    make it (``ACCEPTED``), has not carried out the latest copy of its request (``NOT_MADE``), or has never
    received any copy (``ABSENT``); or the provider reports another amount or order (``CONTRADICTION``).

    An event is confirmed or denied by the provider, or our books adopt the movement (``ADOPTED``). If that
    would need a guess, it is ``UNCLEAR``, and staff decide.

    If nothing follows from the answer, the conclusion is ``OPEN``. If the answer should tell and does not, it
    is ``UNDECIDED``: after several such answers, only a person can find out.
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
