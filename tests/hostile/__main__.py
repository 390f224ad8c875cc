"""Attack the whole stack while shoppers pay, and print the results (`python -m tests.hostile`).

Exits with 1 if anything was wrongly paid, booked or cancelled, or if shoppers were slowed too much.
"""

import argparse
import asyncio
import random
import resource
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop

from scripts.with_services import INTERRUPTED
from tests.faults.site import opened, use_database

if TYPE_CHECKING:
    # This imports models, so Django must be set up first.
    from tests.hostile.verdict import Result

OPEN_FILES = 16_384
# The sandbox has no faults, so that shoppers' times are the gateway's. Forged notifications are limited as by
# default, unlike in the fault campaign, whose forgers share one address.
ENVIRONMENT = {"SANDBOX_TRAITS": "{}", "CHECKOUT_MAX_HINTS_PER_ADDRESS": "60"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="of each phase (default: 60)")
    parser.add_argument("--shoppers", type=int, default=4, help="who pay at once (default: 4)")
    parser.add_argument("--attacks", default="", help="names, with commas (default: all)")
    parser.add_argument("--together", action="store_true", help="make no attack alone")
    parser.add_argument("--seed", type=int, default=0, help="0 draws one")
    parser.add_argument("--any-speed", action="store_true", help="judge the books only")
    parser.add_argument("--logs", type=Path, help="keep the processes' logs there")
    options = parser.parse_args()
    # Each connection needs a file descriptor. The started processes inherit this limit.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    try:
        result = uvloop.run(_run(options))
    except (asyncio.CancelledError, KeyboardInterrupt):
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    for line in result.lines():
        print(line)
    is_slow = bool(result.slowed) and not options.any_speed
    return 1 if result.violations or result.settled_after is None or is_slow else 0


async def _run(options: argparse.Namespace) -> "Result":
    """Run all phases. SIGTERM cancels the run, which stops everything that it started."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    async with opened(logs=options.logs, environment=ENVIRONMENT) as site:
        await asyncio.to_thread(use_database, site)
        from tests.hostile.run import NAMES, Run  # this imports models, so Django must be set up first

        names = [name for name in options.attacks.split(",") if name] or list(NAMES)
        if unknown := set(names) - set(NAMES):
            raise SystemExit(f"unknown: {', '.join(unknown)}; there are {', '.join(NAMES)}")
        seed = options.seed or random.SystemRandom().randrange(1, 1_000_000)
        run = Run(site, options.seconds, options.shoppers, names, seed, options.together)
        return await run.judge()


if __name__ == "__main__":
    sys.exit(main())
