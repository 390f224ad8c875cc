"""The bank's habits with one order: as unkind as providers' documents allow, for a share of the orders."""

from dataclasses import dataclass

from checkout.providers.base import EventKind
from checkout.providers.memory_order import USUALLY_ANNOUNCED, Manners
from tests.simulation.chance import Chance

# Which events a merchant has selected. Some get no word of captures, of refunds, or of either.
SELECTIONS = (
    USUALLY_ANNOUNCED,
    USUALLY_ANNOUNCED - {EventKind.CAPTURED},
    USUALLY_ANNOUNCED - {EventKind.REFUNDED} | {EventKind.REFUND_SENT},
    USUALLY_ANNOUNCED - {EventKind.CAPTURED, EventKind.REFUNDED},
    USUALLY_ANNOUNCED | {EventKind.REFUND_SENT},
)


WEIGHTS = (1, 2, 2, 3, 1)


@dataclass(frozen=True, slots=True)
class Habits:
    """The bank's doings with one order, besides its manners.

    ``is_open``: its letters come over the channel that anybody can use. ``omits_amounts``: they do not tell
    how much was captured or refunded. ``refunds_slowly``: refunds are booked hours or days later.
    """

    manners: Manners
    is_open: bool = False
    omits_amounts: bool = False
    refunds_slowly: bool = False


def drawn(chance: Chance, kindness: float) -> Habits:
    """Return the habits of a new order: the kinder the bank, from 0 to 1, the likelier is each good one."""
    unkindness = 1 - kindness
    return Habits(
        manners=Manners(
            deduplicates=chance.of(kindness * 0.7),
            tells_position=chance.of(kindness * 0.8),
            checks_amounts=chance.of(kindness / 4),
            books_at_once=chance.of(kindness / 2 + 0.3),
            announces=chance.one_of(SELECTIONS, WEIGHTS) if chance.of(unkindness) else USUALLY_ANNOUNCED,
        ),
        is_open=chance.of(unkindness / 3),
        omits_amounts=chance.of(unkindness / 3),
        refunds_slowly=chance.of(unkindness / 2),
    )
