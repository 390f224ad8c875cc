"""Run the benchmarks and print their results (`python -m benchmarks`, or `make bench`).

They need RabbitMQ, and PostgreSQL for purchases. If BROKER_URL or DATABASE_URL is set, that server is used;
otherwise one is started for the measurement.
"""

import argparse
import importlib
import os
import sys
import tempfile
from pathlib import Path

from scripts.services.process import ServiceError
from scripts.with_services import report, services, stop_on_signals

PARTS = (
    "compare",
    "held",
    "layers",
    "purchases",
    "filled",
    "share",
    "cost",
    "webhooks",
    "api",
    "cluster",
    "node_lost",
    "drift",
    "reconciliation",
)
COUNTED = "shared_preload_libraries=pg_stat_statements"
# Of the earlier commits, the one with the fastest held requests.
KEPT = "e3ae309"
RESULTS = Path(__file__).resolve().parent / "results.json"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--what", default="compare", help=f"of {', '.join(PARTS)}, with commas; or all")
    parser.add_argument("--peers", type=_names, default=[], help="names, with commas (default: all)")
    parser.add_argument("--rounds", type=int, default=3, help="of which the median counts (default: 3)")
    parser.add_argument("--seconds", type=int, default=5, help="of each single measurement (default: 5)")
    parser.add_argument("--counts", type=_counts, default=[], help="requests at once, with commas")
    parser.add_argument("--commit", default=KEPT, help="that is measured beside this code (drift)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the comparison's rows go")
    options = parser.parse_args()
    parts = list(PARTS) if options.what == "all" else _names(options.what)
    if unknown := set(parts) - set(PARTS):
        parser.error(f"unknown: {', '.join(unknown)}")
    stop_on_signals()
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            services(keep=Path(folder), postgresql=(COUNTED,)) as environment,
        ):
            os.environ |= environment
            # Imported only now, because these modules read the services' addresses from the environment.
            systems = importlib.import_module("benchmarks.systems")
            try:
                for part in parts:
                    importlib.import_module(f"benchmarks.{part}").run(options)
            except systems.BenchmarkError as error:
                report(str(error))
                return 1
    except ServiceError as error:
        report(str(error))
        return 1
    return 0


def _names(text: str) -> list[str]:
    return [name for name in text.split(",") if name]


def _counts(text: str) -> list[int]:
    return [int(count) for count in _names(text)]


if __name__ == "__main__":
    sys.exit(main())
