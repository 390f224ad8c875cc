"""Run schedules, or replay one: ``python -m tests.simulation --schedules 100000 --first-seed 1``."""

import argparse
import os
import sys
from pathlib import Path

from tests.simulation import runner
from tests.simulation.progress import Progress
from tests.simulation.report import Report


def replay(seed: int, mutant: str) -> int:
    """Run one schedule and print its trace. Two runs with the same digest had the same events."""
    world = runner.installation(mutant).run(seed)
    print(*world.trace.lines(), sep="\n")
    print(*(world.violations or ["no violation"]), sep="\n")
    print(f"digest {world.trace.digest()}")
    return 1 if world.violations else 0


def run(seeds: range, mutant: str, processes: int, file: Path | None, *, is_first_enough: bool) -> int:
    """Run many schedules. Print violations as they are found, and the totals at the end."""
    progress = Progress(seeds, file)
    total = Report()
    chunk = 1 if is_first_enough else runner.CHUNK
    for report in runner.run(seeds, mutant, processes, chunk):
        total += report
        for seed, violation in report.violations:
            print(f"seed {seed}: {violation}", flush=True)
        progress.tell(total)
        if is_first_enough and total.violations:
            break
    progress.conclude(total)
    return 1 if total.violations else 0


def main() -> int:
    """Return the exit status: 1 if an invariant was violated."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--schedules", type=int, default=1000, metavar="N")
    parser.add_argument("--first-seed", type=int, default=1, metavar="S", help="the others' seeds follow it")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), metavar="P", help="one per core")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the totals there, also meanwhile")
    parser.add_argument("--replay", type=int, metavar="SEED", help="run this one and print its trace")
    parser.add_argument("--mutant", default="", metavar="NAME", help="without one of our defences")
    parser.add_argument("--first", action="store_true", help="stop soon after the first violation")
    options = parser.parse_args()
    if options.replay is not None:
        return replay(options.replay, options.mutant)
    seeds = range(options.first_seed, options.first_seed + options.schedules)
    return run(seeds, options.mutant, options.processes, options.json, is_first_enough=options.first)


if __name__ == "__main__":
    sys.exit(main())
