"""Run the campaign for each mutant, the product without one defence (`python -m tests.faults.mutants`).

It prints the invariants that each mutant violates. If there are none, the campaign cannot detect the mutant.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import django

from tests.support.program import ROOT


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--payments", default="800", help="per mutant (default: 800)")
    parser.add_argument("--at-most", default="5", help="minutes of faults per mutant (default: 5)")
    parser.add_argument("--seed", default="1")
    parser.add_argument("names", nargs="*", metavar="MUTANT", help="all unless some are named")
    options = parser.parse_args()
    names = options.names or _all_names()
    escaped = []
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            report = Path(folder) / f"{name}.json"
            command = [sys.executable, "-m", "tests.faults", "--mutant", name, "--json", str(report)]
            command += ["--payments", options.payments, "--at-most", options.at_most, "--seed", options.seed]
            subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=False)
            violations = json.loads(report.read_text())["violations"]
            found = {invariant: count for invariant, count in violations.items() if count}
            caught_by = ", ".join(f"{invariant} {count}" for invariant, count in found.items())
            print(f"{name:<28} {caught_by or 'NOT CAUGHT'}", flush=True)
            if not found:
                escaped.append(name)
    return 1 if escaped else 0


def _all_names() -> list[str]:
    """Return all mutants. Their module imports the product's models, so Django is set up first."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "payments_gateway.settings")
    django.setup()
    from tests.support.mutants import MUTANTS

    return list(MUTANTS)


if __name__ == "__main__":
    sys.exit(main())
