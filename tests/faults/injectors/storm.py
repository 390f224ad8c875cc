"""The faults of a campaign, in lanes: faults of one lane happen one at a time, lanes run concurrently."""

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

# The longest pause between two faults, even if few purchases end in it. If calmness exceeds CALM, the limit
# grows in proportion.
LONGEST_BREATH_SECONDS = 30
CALM = 5
# The exceptions that an injector itself may raise because of other faults.
IN_THE_WAY = (OSError, TimeoutError, aiohttp.ClientError, psycopg.Error, AMQPError, RuntimeError)


@dataclass(frozen=True)
class Storm:
    """The means with which an injector works.

    `patience` multiplies the duration of lasting faults; it is 1 in the short campaign. `purchases` returns
    the number of ended purchases. `calmness` multiplies the number of purchases between two faults.
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
        """Let a fault last for about so many seconds, multiplied by `patience`, or until the storm ends."""
        await self.pause(seconds * self.patience)

    async def breathe(self, purchases: int) -> None:
        """Wait until so many more purchases have ended, so that a slow machine has fewer faults a minute."""
        enough = self.purchases() + purchases * self.calmness * self.random.uniform(0.5, 1.5)
        until = now() + LONGEST_BREATH_SECONDS * max(1, self.calmness / CALM)
        while self.purchases() < enough and now() < until and not self.over.is_set():
            await self.pause(0.2)

    async def pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.over.wait(), seconds * self.random.uniform(0.8, 1.2))


# A function that breaks something, repairs it, and returns a description.
Injector = Callable[[Storm], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Fault:
    """A kind of fault. Faults of the same `lane` never coincide. `weight` is the relative frequency.

    Those with `early` are the first of their lane, so that a short campaign has them.
    """

    number: str
    title: str
    lane: str
    inject: Injector
    weight: int = 1
    early: bool = False


async def run_lane(faults: Sequence[Fault], storm: Storm, breath: int, each_was: asyncio.Event) -> None:
    """Inject every fault of a lane once in a random order, then by weight, until the storm is over.

    Between two faults there are about `breath` purchases, times the storm's `calmness`.
    """
    first = sorted(storm.random.sample(faults, len(faults)), key=lambda fault: fault.early)
    while not storm.over.is_set():
        if not first:
            each_was.set()
        weights = [fault.weight for fault in faults]
        await inject(first.pop() if first else storm.random.choices(faults, weights)[0], storm)
        await storm.breathe(breath)


async def inject(fault: Fault, storm: Storm) -> None:
    """Inject a fault once and record it. If the injection fails, it is noted and not counted."""
    began = now()
    try:
        text = await fault.inject(storm)
    except IN_THE_WAY as error:
        storm.diary.not_done.append(f"{fault.number} {fault.title}: {error!r}"[:200])
    else:
        storm.diary.note(fault.number, text, began)
