"""What a shopper is like, drawn from a seed: which cards, what happens at the issuer, how steady the hand."""

from dataclasses import dataclass, replace
from random import Random

GOOD = "3DS_V2_FRICTIONLESS_IDENTIFIED"
CHALLENGED = "3DS_V2_CHALLENGE_IDENTIFIED"
EMPTY = "REFUSED51"
REJECTED = "3DS_V2_FRICTIONLESS_REJECTED"

# Kind of shopper and how many of a hundred are like that.
KINDS = {
    "only looks": 12,
    "frictionless": 18,
    "challenge passed": 18,
    "challenge failed": 4,
    "challenge cancelled": 4,
    "challenge abandoned": 3,
    "refused": 6,
    "refused, then another card": 6,
    "double click": 6,
    "return repeated": 5,
    "reloads": 5,
    "leaves and comes back": 6,
    "sends the form again later": 4,
    "no device data": 3,
}


# Of those who meet the status page, how many hear of changes by its WebSocket; the others ask.
LISTENERS = 0.5


@dataclass(frozen=True, slots=True)
class Habits:
    """`cards` are the holders' names on the cards that are tried in turn, which decide the end there; who has
    none never pays.

    `choice` is what is pressed at the issuer, empty to walk away. `clicks` on Pay and `returns` from the
    issuer are sent at once. `leaves_after` is when the connection is cut while paying, in seconds.
    `listens`: to the status page's WebSocket.
    """

    kind: str
    cards: tuple[str, ...] = (GOOD,)
    choice: str = "approve"
    clicks: int = 1
    returns: int = 1
    reloads: int = 0
    leaves_after: float | None = None
    sends_again: bool = False
    has_device_data: bool = True
    listens: bool = False


def draw(random: Random) -> Habits:
    """The next shopper."""
    return replace(_draw(random), listens=random.random() < LISTENERS)


def _draw(random: Random) -> Habits:
    kind = random.choices(list(KINDS), list(KINDS.values()))[0]
    some = random.choice((GOOD, GOOD, CHALLENGED))
    match kind:
        case "only looks":
            return Habits(kind, cards=())
        case "challenge passed":
            return Habits(kind, (CHALLENGED,))
        case "challenge failed":
            return Habits(kind, (CHALLENGED,), choice="fail")
        case "challenge cancelled":
            return Habits(kind, (CHALLENGED,), choice="cancel")
        case "challenge abandoned":
            return Habits(kind, (CHALLENGED,), choice="")
        case "refused":
            return Habits(kind, (random.choice((EMPTY, REJECTED)),))
        case "refused, then another card":
            return Habits(kind, (random.choice((EMPTY, REJECTED)), some))
        case "double click":
            return Habits(kind, (some,), clicks=random.choice((2, 2, 3)))
        case "return repeated":
            return Habits(kind, (CHALLENGED,), returns=random.choice((2, 3)))
        case "reloads":
            return Habits(kind, (some,), reloads=3)
        case "leaves and comes back":
            return Habits(kind, (some,), leaves_after=random.choice((0.0, 0.01, 0.05, 0.1, 0.3)))
        case "sends the form again later":
            return Habits(kind, (some,), sends_again=True)
        case "no device data":
            return Habits(kind, has_device_data=False)
        case _:
            return Habits(kind)
