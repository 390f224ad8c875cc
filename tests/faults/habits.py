"""The habits of a shopper, drawn from a seed: cards, choice at the issuer, double clicks and so on."""

from dataclasses import dataclass, replace
from random import Random

GOOD = "3DS_V2_FRICTIONLESS_IDENTIFIED"
CHALLENGED = "3DS_V2_CHALLENGE_IDENTIFIED"
EMPTY = "REFUSED51"
REJECTED = "3DS_V2_FRICTIONLESS_REJECTED"

# Kinds of shoppers, with the percentage of each.
KINDS = {
    "only looks": 8,
    "frictionless": 11,
    "challenge passed": 14,
    "challenge failed": 3,
    "challenge cancelled": 3,
    "challenge abandoned": 3,
    "comes back too late": 5,
    "refused": 4,
    "refused, then another card": 7,
    "refused twice, then another card": 5,
    "forges notifications": 8,
    "double click": 6,
    "return repeated": 5,
    "reloads": 5,
    "leaves and comes back": 6,
    "sends the form again later": 4,
    "no device data": 3,
    "cancels during the challenge": 5,
    "cancels while paying": 4,
}


# The share of shoppers who use the status page's WebSocket. The others only poll.
LISTENERS = 0.5
# The share of shoppers who want their card saved, if the form offers it.
SAVERS = 0.7
# The share of shoppers who pay with a saved card, if the page offers one.
CHOOSERS = 0.6


@dataclass(frozen=True, slots=True)
class Habits:
    """A shopper's habits. `cards` are the names of the holders of the cards that are tried in turn.

    In the sandbox the name decides the outcome. A shopper without cards never pays.

    `choice` is the button that is pressed at the issuer after `hesitates` seconds; empty to leave.
    `is_late`: returns from the issuer only after the challenge has expired. `clicks` on Pay and `returns`
    from the issuer are sent concurrently. `leaves_after` is the time in seconds after which the connection
    is cut while paying. `listens`: uses the status page's WebSocket. `forges`: sends forged notifications.
    `saves_card`: wants the card saved. `chooses_card`: pays with a saved card that is offered. `cancels`:
    cancels on our page while the card is being charged, and as the return from the issuer is sent, or instead
    of it (`is_away`).
    """

    kind: str
    cards: tuple[str, ...] = (GOOD,)
    choice: str = "approve"
    hesitates: float = 0
    is_late: bool = False
    clicks: int = 1
    returns: int = 1
    reloads: int = 0
    leaves_after: float | None = None
    sends_again: bool = False
    has_device_data: bool = True
    listens: bool = False
    forges: bool = False
    saves_card: bool = False
    chooses_card: bool = False
    cancels: bool = False
    is_away: bool = False


def draw(random: Random) -> Habits:
    """Draw the next shopper's habits."""
    return replace(
        _draw(random),
        listens=random.random() < LISTENERS,
        saves_card=random.random() < SAVERS,
        chooses_card=random.random() < CHOOSERS,
    )


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
        case "comes back too late":
            return Habits(kind, (CHALLENGED,), is_late=True)
        case "refused, then another card":
            return _after_refusals(kind, random, 1, some)
        case "refused twice, then another card":
            return _after_refusals(kind, random, 2, some)
        case "forges notifications":
            return Habits(kind, (random.choice((GOOD, GOOD, GOOD, EMPTY)),), forges=True)
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
        case "cancels during the challenge":
            return Habits(kind, (CHALLENGED,), cancels=True, is_away=random.random() < 0.5)
        case "cancels while paying":
            return Habits(kind, (some,), cancels=True, clicks=random.choice((1, 2)))
        case "no device data":
            return Habits(kind, has_device_data=False)
        case _:
            return Habits(kind)


def _after_refusals(kind: str, random: Random, refusals: int, last: str) -> Habits:
    """Return habits with refused cards first. Some shoppers hesitate until the earlier attempt was undone."""
    refused = tuple(random.choice((EMPTY, REJECTED)) for _ in range(refusals))
    if random.random() < 0.6:
        return Habits(kind, (*refused, CHALLENGED), hesitates=random.uniform(4, 9))
    return Habits(kind, (*refused, last))
