"""The faults of a campaign in their lanes: what may be broken at once, and what one after another."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from random import Random

import aiohttp
import psycopg
from pika.exceptions import AMQPError

from tests.faults.diary import Diary
from tests.faults.injectors.keeper import Keeper
from tests.faults.recorder import Recorder, now
from tests.faults.site import Site

# However few purchases there were meanwhile. In a campaign calmer than this longer, in proportion.
LONGEST_BREATH_SECONDS = 30
CALM = 5
# What the injector itself may meet in the middle of other faults.
IN_THE_WAY = (OSError, TimeoutError, aiohttp.ClientError, psycopg.Error, AMQPError, RuntimeError)


@dataclass(frozen=True)
class Storm:
    """The means that an injector works with.

    `patience` stretches faults that last: 1 in the short form. `purchases` returns the number of purchases
    that have ended. Between two faults, `calmness` times as many of them end as in the short form.
    """

    site: Site
    keeper: Keeper
    diary: Diary
    recorder: Recorder
    session: aiohttp.ClientSession
    random: Random
    over: asyncio.Event
    patience: float
    purchases: Callable[[], int]
    calmness: float = 1

    async def last(self, seconds: float) -> None:
        """Leave things as they are for so long, more or less, unless the storm ends before."""
        await self.pause(seconds * self.patience)

    async def breathe(self, purchases: int) -> None:
        """Wait until so many shoppers more have gone: on a slow machine faults come more slowly, too."""
        enough = self.purchases() + purchases * self.calmness * self.random.uniform(0.5, 1.5)
        until = now() + LONGEST_BREATH_SECONDS * max(1, self.calmness / CALM)
        while self.purchases() < enough and now() < until and not self.over.is_set():
            await self.pause(0.2)

    async def pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.over.wait(), seconds * self.random.uniform(0.8, 1.2))


# Breaks something, mends it again, and says what it was.
Injector = Callable[[Storm], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Fault:
    """`lane` names what else it must not coincide with; `weight` how often it comes, compared to others."""

    number: str
    title: str
    lane: str
    inject: Injector
    weight: int = 1


async def run_lane(faults: Sequence[Fault], storm: Storm, breath: int, each_was: asyncio.Event) -> None:
    """Every fault of a lane once in a random order, then by weight, until the storm is over.

    Between two of them there are about `breath` purchases, times the storm's `calmness`.
    """
    first = storm.random.sample(faults, len(faults))
    while not storm.over.is_set():
        if not first:
            each_was.set()
        weights = [fault.weight for fault in faults]
        await inject(first.pop() if first else storm.random.choices(faults, weights)[0], storm)
        await storm.breathe(breath)


async def inject(fault: Fault, storm: Storm) -> None:
    """Once. What could not be done is noted, and not counted."""
    began = now()
    try:
        text = await fault.inject(storm)
    except IN_THE_WAY as error:
        storm.diary.not_done.append(f"{fault.number} {fault.title}: {error!r}"[:200])
    else:
        storm.diary.note(fault.number, text, began)
