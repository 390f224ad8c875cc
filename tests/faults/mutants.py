"""`python -m tests.faults.mutants`: the campaign against a product that lacks a defence, once for each.

Prints which invariants each one violates. A mutant that violates none means that the campaign cannot tell.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support.program import ROOT

MUTANTS = (
    "no_inbox",
    "no_intent_row",
    "no_version_check",
    "ack_before_commit",
    "blind_retry",
    "compensation_while_unknown",
    "no_outbox",
)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--payments", default="800", help="per mutant (default: 800)")
    parser.add_argument("--at-most", default="5", help="minutes of faults per mutant (default: 5)")
    parser.add_argument("--seed", default="1")
    parser.add_argument("names", nargs="*", default=MUTANTS, metavar="MUTANT")
    options = parser.parse_args()
    escaped = []
    with tempfile.TemporaryDirectory() as folder:
        for name in options.names:
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


if __name__ == "__main__":
    sys.exit(main())
