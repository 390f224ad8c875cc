"""Run schedules, or one of them again: ``python -m tests.simulation --schedules 3000 --seed 1``."""

import argparse
import gc
import multiprocessing
import sys
import time
from contextlib import nullcontext

from tests.simulation.report import Report

# Cyclic garbage is small per schedule; looking for it all the time costs more than keeping it for a while.
SCHEDULES_PER_COLLECTION = 50


def run(seeds: range, mutant: str = "", *, stops_early: bool = False) -> Report:
    """Run these schedules in this process; with ``stops_early``, until the first that is violated."""
    from tests.simulation.installation import Installation
    from tests.support import mutants

    report = Report()
    with mutants.applied(mutant) if mutant else nullcontext():
        installation = Installation()
        gc.collect()
        gc.freeze()
        gc.disable()
        began = time.process_time()
        for count, seed in enumerate(seeds, 1):
            report.add(installation.run(seed))
            if stops_early and report.violations:
                break
            if count % SCHEDULES_PER_COLLECTION == 0:
                gc.collect()
        report.busy_seconds = time.process_time() - began
    return report


def replay(seed: int, mutant: str) -> int:
    """Run one schedule and print everything that happened; the digest tells whether it was the same."""
    from tests.simulation.installation import Installation
    from tests.support import mutants

    with mutants.applied(mutant) if mutant else nullcontext():
        world = Installation().run(seed)
    print(*world.trace.lines(), sep="\n")
    print(f"digest {world.trace.digest()}")
    print(*(world.violations or ["no violation"]), sep="\n")
    return 1 if world.violations else 0


def main() -> int:
    """Return the exit status: 1 when something was violated."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--schedules", type=int, default=1000, metavar="N")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="the first schedule's; the others follow")
    parser.add_argument("--processes", type=int, default=1, metavar="P")
    parser.add_argument("--replay", type=int, metavar="SEED", help="run this one schedule and print its trace")
    parser.add_argument("--mutant", default="", metavar="NAME", help="take away a defence: tests/support/mutants.py")
    parser.add_argument("--first", action="store_true", help="stop at the first violation")
    options = parser.parse_args()
    if options.replay is not None:
        return replay(options.replay, options.mutant)
    began = time.monotonic()
    end = options.seed + options.schedules
    jobs = [
        (range(options.seed + number, end, options.processes), options.mutant)
        for number in range(options.processes)
    ]
    if len(jobs) == 1:
        report = run(*jobs[0], stops_early=options.first)
    else:
        with multiprocessing.get_context("spawn").Pool(len(jobs)) as pool:
            report = sum(pool.starmap(run, jobs), Report())
    print(*report.lines(time.monotonic() - began), sep="\n")
    return 1 if report.violations else 0


if __name__ == "__main__":
    sys.exit(main())
