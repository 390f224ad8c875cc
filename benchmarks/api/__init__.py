"""The API: creating payments beside one insert by Django REST framework, and a thousand held requests."""

import argparse

from benchmarks.api import creates, held

HELD = 1_000


def run(options: argparse.Namespace) -> None:
    """Measure and print both tables. Raises BenchmarkError. `--counts` gives the number of held requests."""
    print(creates.as_table(creates.measure(options.rounds, options.seconds)))
    for count in options.counts or [HELD]:
        print(held.as_table(held.measure(count)))
