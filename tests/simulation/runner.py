"""Runs many schedules, in several processes if told so."""

import gc
import multiprocessing
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial

from tests.simulation.installation import Installation
from tests.simulation.report import Report
from tests.support import mutants

# Also how often cyclic garbage is collected: there is little per schedule, and looking for it all the time
# costs more than keeping it for a while.
CHUNK = 50

_mutations = ExitStack()
_installation: Installation | None = None


def installation(mutant: str = "") -> Installation:
    """Return this process's installation, made at the first call; ``mutant`` takes a defence away."""
    global _installation
    if _installation is None:
        if mutant:
            _mutations.enter_context(mutants.applied(mutant))
        _installation = Installation()
        gc.collect()
        gc.freeze()
        gc.disable()
    return _installation


def run(seeds: range, mutant: str, processes: int, chunk: int = CHUNK) -> Iterator[Report]:
    """Run these schedules; yield what came of each ``chunk`` of them."""
    chunks = [seeds[start : start + chunk] for start in range(0, len(seeds), chunk)]
    run_here = partial(_run_chunk, mutant=mutant)
    if processes == 1:
        yield from map(run_here, chunks)
        return
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        yield from pool.imap(run_here, chunks)


def _run_chunk(seeds: range, *, mutant: str) -> Report:
    here = installation(mutant)
    report = Report()
    began = time.process_time()
    for seed in seeds:
        try:
            report.add(here.run(seed))
        except Exception as error:
            # The other schedules go on, and this one can be run again by its seed.
            report.violations.append((seed, f"the schedule itself ended with {error!r}"))
    gc.collect()
    report.busy_seconds = time.process_time() - began
    return report
