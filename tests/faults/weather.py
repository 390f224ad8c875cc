"""The faults of a whole campaign, from the first rolling restart until everything is repaired."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.faults.injectors import provider, table
from tests.faults.injectors.storm import Storm, inject, run_lane
from tests.faults.recorder import NO_ANSWER, now

# The number of purchases between two faults of a lane.
BREATHS = {table.PROCESSES: 30, table.BROKER: 25, table.DATABASE: 60, table.OUTSIDE: 40}


async def roll_in_good_weather(storm: Storm) -> None:
    """Restart every process while nothing else is broken. No shopper may notice this."""
    began = now()
    await inject(table.ROLLING_RESTART, storm)
    for history in storm.recorder.histories.values():
        for seen in history:
            if seen.at > began and (seen.status == NO_ANSWER or seen.status >= 500):
                storm.diary.mishaps.append(f"noticed during the rolling restart: {seen}")


@asynccontextmanager
async def blowing(storm: Storm) -> AsyncIterator[list[asyncio.Event]]:
    """Inject faults in every lane, at crash points and by the provider, while the block runs.

    Yields an event for each lane, which is set when all faults of the lane have occurred.
    """
    await storm.site.set_scenario(provider.misbehaviour(storm.random, storm.calmness))
    await storm.keeper.start_tours()
    faults_by_lane = table.lanes(with_cluster=storm.site.is_clustered, with_standby=storm.site.has_standby)
    rounds = {name: asyncio.Event() for name in faults_by_lane}
    lanes = [
        asyncio.create_task(run_lane(faults, storm, BREATHS[name], rounds[name]))
        for name, faults in faults_by_lane.items()
    ]
    try:
        yield list(rounds.values())
    finally:
        storm.over.set()
        await asyncio.gather(*lanes)
        await storm.keeper.end_tours()
        await asyncio.to_thread(storm.site.stack.wait_until_ready)


async def provider_faults(storm: Storm) -> dict[str, dict[str, int]]:
    """Stop the sandbox's faults and return their numbers so far, by occasion and fault."""
    listing = await storm.site.set_scenario({"reset": True})
    incidents: dict[str, dict[str, int]] = listing["incidents"]
    return incidents


def by_number(storm: Storm, incidents: dict[str, dict[str, int]]) -> Counter[str]:
    """Return the number of each fault, including the sandbox's."""
    counts = storm.diary.counts()
    by_fault: Counter[str] = Counter()
    for faults in incidents.values():
        by_fault.update(faults)
    for number, names in table.BY_THE_SANDBOX.items():
        counts[number] += sum(by_fault[name] for name in names)
    return counts
