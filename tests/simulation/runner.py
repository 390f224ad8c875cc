"""Run many schedules, in one or several processes."""

import gc
import multiprocessing
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial

from tests.simulation.installation import Installation
from tests.simulation.report import Report
from tests.support import mutants

# Cyclic garbage is collected once per chunk, too: a schedule makes little of it, and frequent collection
# would cost more than the memory.
CHUNK = 50

_mutations = ExitStack()
_installation: Installation | None = None


def installation(mutant: str = "") -> Installation:
    """Return this process's installation, created at the first call, without the defence ``mutant``."""
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
    """Run these schedules and yield a report for each ``chunk`` of them."""
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
            # One error must not stop the other schedules. The seed allows this schedule to be replayed.
            report.violations.append((seed, f"the schedule itself ended with {error!r}"))
    gc.collect()
    report.busy_seconds = time.process_time() - began
    return report
