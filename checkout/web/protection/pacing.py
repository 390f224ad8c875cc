"""The pacing of attack mode: cards from an address from which nobody has paid lately are tried slowly.

A try waits on the event loop, before any read or write, so it holds no thread and no database connection.
Each web process has turns of its own.
"""

import asyncio
from math import ceil

from checkout.conf import conf
from checkout.errors import TooManyAttempts
from checkout.privacy import pseudonyms
from checkout.rates import Turns
from payments_gateway.serving.process.graceful_shutdown import drain

# The most tries from one address that may wait at once.
MOST_WAITING = 2

turns = Turns()


async def wait_for_turn(address: str) -> None:
    """Wait for the turn of a try from ``address``. Return at once if this process is about to end.

    Raises ``TooManyAttempts`` if too many tries from the address are waiting already.
    """
    every_seconds = conf.attack_pace_seconds
    most_seconds = MOST_WAITING * every_seconds
    turn = turns.book(pseudonyms.of_client(address), every_seconds=every_seconds, most_seconds=most_seconds)
    if not turn.is_booked:
        raise TooManyAttempts(
            "Too many tries from this address are waiting.",
            retry_after_seconds=max(1, ceil(turn.seconds - most_seconds)),
        )
    try:
        async with asyncio.timeout(turn.seconds) as limit:
            with drain.shortens(limit, to_seconds=0):
                await asyncio.Event().wait()
    except TimeoutError:
        return
