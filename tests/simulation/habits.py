"""The bank's habits with one order. With some orders it is as difficult as providers' documents allow."""

from dataclasses import dataclass

from checkout.payments.providers.base import EventKind
from tests.simulation.chance import Chance
from tests.support.memory_provider.order import USUALLY_ANNOUNCED, Manners

# The events that a merchant may have selected. Some selections lack captures, refunds, or both.
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
    """The bank's behaviour with one order, in addition to its manners.

    ``is_open``: its notifications come over the unauthenticated channel. ``omits_amounts``: notifications of
    captures and refunds lack the amount. ``refunds_slowly``: refunds are booked hours or days later.
    ``is_queued``: captures and refunds are booked late, and are not visible before. ``hides_second``: the
    answer to a second capture or refund is lost, and neither sums nor notifications nor the last event show
    that it was made.
    """

    manners: Manners
    is_open: bool = False
    omits_amounts: bool = False
    refunds_slowly: bool = False
    is_queued: bool = False
    hides_second: bool = False


def drawn(chance: Chance, kindness: float) -> Habits:
    """Draw the habits of a new order. ``kindness`` (0 to 1) raises the probability of each harmless habit."""
    unkindness, is_queued = 1 - kindness, chance.is_queued()
    return Habits(
        manners=Manners(
            # Two rare faults are not combined: a request that waits, and a forgotten key.
            deduplicates=chance.of(kindness * 0.7) or (is_queued and chance.has_keys),
            tells_position=chance.of(kindness * 0.8),
            checks_amounts=chance.of(kindness / 4),
            books_at_once=chance.of(kindness / 2 + 0.3) and not is_queued,
            releases_rest=chance.releases_rest(),
            names_authorisation=chance.of(unkindness / 3),
            shows_refunds=not is_queued,
            announces=chance.one_of(SELECTIONS, WEIGHTS) if chance.of(unkindness) else USUALLY_ANNOUNCED,
        ),
        is_open=chance.of(unkindness / 3),
        omits_amounts=chance.of(unkindness / 3),
        refunds_slowly=chance.of(unkindness / 2),
        is_queued=is_queued,
    )
