"""Report a run's progress, and save its totals in a file, so that an interrupted run keeps them."""

import json
import sys
import time
from pathlib import Path

from tests.simulation.report import Report

EVERY_SECONDS = 20.0


class Progress:
    """The progress of one run. Lines about it go to standard error, the results to standard output."""

    def __init__(self, seeds: range, file: Path | None) -> None:
        self._seeds = seeds
        self._file = file
        self._began = time.monotonic()
        self._told = self._began

    def tell(self, so_far: Report) -> None:
        """Print the progress, at most every EVERY_SECONDS."""
        now = time.monotonic()
        if now - self._told < EVERY_SECONDS:
            return
        self._told = now
        rate = f"{so_far.rate(now - self._began):.0f} a minute"
        violations = f"{len(so_far.violations)} violations"
        print(
            f"{so_far.schedules} of {len(self._seeds)} schedules, {rate}, {violations}",
            file=sys.stderr,
            flush=True,
        )
        self._keep(so_far, now)

    def conclude(self, total: Report) -> None:
        """Print the results of the run."""
        now = time.monotonic()
        print(*total.lines(now - self._began), sep="\n")
        self._keep(total, now)

    def _keep(self, report: Report, now: float) -> None:
        if self._file is not None:
            figures = {"first_seed": self._seeds.start, **report.figures(now - self._began)}
            self._file.write_text(json.dumps(figures, indent=2) + "\n")
