"""`python -m tests.faults`: run a campaign, print what it came to, exit with 1 if anything was violated."""

import argparse
import asyncio
import random
import sys
from pathlib import Path

import uvloop

from scripts.with_services import stop_on_signals
from tests.faults.report import Report
from tests.faults.site import opened, use_database


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--payments", type=int, default=3000, help="at least so many (default: 3000)")
    parser.add_argument("--minutes", type=float, default=0, help="at least so long")
    parser.add_argument("--seed", type=int, default=0, help="0 draws one")
    parser.add_argument("--mutant", default="", help="a defence to take away, see tests/support/mutants.py")
    parser.add_argument("--json", type=Path, help="write the report there as well")
    options = parser.parse_args()
    stop_on_signals()
    report = uvloop.run(_run(options))
    for line in report.lines():
        print(line)
    if options.json:
        options.json.write_text(report.as_json())
    return 1 if report.violations or report.settled_after is None else 0


async def _run(options: argparse.Namespace) -> Report:
    seed = options.seed or random.SystemRandom().randrange(1, 1_000_000)
    async with opened(options.mutant) as site:
        await asyncio.to_thread(use_database, site)
        from tests.faults.campaign import Extent, run  # its modules need Django to be set up

        return await run(site, Extent(options.payments, options.minutes, seed), options.mutant)


if __name__ == "__main__":
    sys.exit(main())
