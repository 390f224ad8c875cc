"""Run a campaign and print its report (`python -m tests.faults`). Exits with 1 if anything was violated."""

import argparse
import asyncio
import random
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop

from scripts.with_services import INTERRUPTED
from tests.faults.settings import CHECKOUT_SECONDS, INQUIRIES, inquiry_delays
from tests.faults.site import opened, use_database
from tests.support import fork_server

if TYPE_CHECKING:
    # This imports models, so Django must be set up first.
    from tests.faults.report import Report


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--payments", type=int, default=3000, help="at least so many (default: 3000)")
    parser.add_argument("--minutes", type=float, default=0, help="at least so long")
    parser.add_argument("--at-most", type=float, default=0, help="minutes after which enough is enough")
    parser.add_argument("--rounds", type=int, default=1, help="visits to each crash point (default: 1)")
    parser.add_argument("--patience", type=float, default=1, help="stretches faults that last (default: 1)")
    # With more shoppers each would only wait longer, and poll more often.
    parser.add_argument("--shoppers", type=int, default=120, help="so many at once (default: 120)")
    parser.add_argument(
        "--abandoned-after",
        type=int,
        default=CHECKOUT_SECONDS,
        help=f"seconds in which a payment has to be paid (default: {CHECKOUT_SECONDS}); the end waits for it",
    )
    parser.add_argument(
        "--inquiries",
        type=int,
        default=INQUIRIES,
        help=f"so many in vain before staff are asked (default: {INQUIRIES}); the end waits for it",
    )
    parser.add_argument("--seed", type=int, default=0, help="0 draws one")
    parser.add_argument(
        "--databases", type=int, choices=(1, 5), default=1, help="5: one for each app that may have its own"
    )
    parser.add_argument(
        "--cluster",
        action="store_true",
        help="RabbitMQ has three nodes, which are lost as well",
    )
    parser.add_argument(
        "--standby", action="store_true", help="PostgreSQL has a standby, which is promoted as well"
    )
    parser.add_argument(
        "--without-keys", action="store_true", help="the provider recognises no idempotency keys"
    )
    parser.add_argument("--mutant", default="", help="a defence to take away, see tests/support/mutants.py")
    parser.add_argument(
        "--forked", action="store_true", help="start processes in half the time (tests.support.fork_server)"
    )
    parser.add_argument("--json", type=Path, help="write the report there as well")
    parser.add_argument("--logs", type=Path, help="keep the processes' logs there")
    options = parser.parse_args()
    if options.forked:
        fork_server.use()
    try:
        report = uvloop.run(_run(options))
    except (asyncio.CancelledError, KeyboardInterrupt):
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    for line in report.lines():
        print(line)
    if options.json:
        options.json.write_text(report.as_json())
    return 1 if report.violations or report.settled_after is None else 0


async def _run(options: argparse.Namespace) -> "Report":
    """Run a campaign. SIGTERM cancels it, which stops everything that it started."""
    campaign = asyncio.current_task()
    assert campaign is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, campaign.cancel)
    seed = options.seed or random.SystemRandom().randrange(1, 1_000_000)
    environment = {
        "CHECKOUT_ABANDONED_SECONDS": str(options.abandoned_after),
        "CHECKOUT_INQUIRY_DELAYS": inquiry_delays(options.inquiries),
    }
    async with opened(
        options.mutant,
        options.logs,
        environment,
        options.databases,
        is_clustered=options.cluster,
        has_standby=options.standby,
        has_keys=not options.without_keys,
    ) as site:
        await asyncio.to_thread(use_database, site)
        from tests.faults.campaign import Extent, run  # this imports models, so Django must be set up first

        extent = Extent(
            payments=options.payments,
            minutes=options.minutes,
            at_most_minutes=options.at_most or float("inf"),
            seed=seed,
            rounds=options.rounds,
            patience=options.patience,
            shoppers=options.shoppers,
        )
        return await run(site, extent, options.mutant)


if __name__ == "__main__":
    sys.exit(main())
