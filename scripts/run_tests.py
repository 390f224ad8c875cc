"""All checks and tests, with everything they need: what `make test` and CI run.

On a laptop, what cannot be had is skipped by name. With CI=true it is a failure.
"""

import os
import subprocess
import sys
from pathlib import Path

from scripts import lint
from scripts.services.process import ServiceError
from scripts.with_services import report, run, services, stop_on_signals

ROOT = Path(__file__).resolve().parent.parent
# These start programs of their own and mostly wait for them: two files at once, on any number of cores.
WITH_PROGRAMS = (
    "tests/browser",
    "tests/flows/stack",
    "tests/sandbox/test_in_browser.py",
    "tests/test_scripts.py",
    "tests/tryout",
)
# The campaign, and attacks on the whole stack, need the machine to themselves.
ALONE = ("tests/faults", "tests/hostile")
PARTS = (
    (
        "--cov-report=",
        "-n",
        "auto",
        "--dist",
        "loadfile",
        *(f"--ignore={path}" for path in WITH_PROGRAMS + ALONE),
    ),
    ("--cov-append", "--cov-report=", "-n", "2", "--dist", "loadfile", *WITH_PROGRAMS),
    ("--cov-append", "--cov-report=term", *ALONE),
)
IN_CI = os.environ.get("CI") == "true"


def main() -> int:
    os.chdir(ROOT)
    stop_on_signals()
    subprocess.run(["scripts/install_packages.sh"], check=IN_CI)
    linted = lint.main() == 0
    install_node_packages()
    try:
        with services(require=IN_CI) as environment:
            runs = [sys.argv[1:]] if sys.argv[1:] else PARTS
            codes = [test(environment, *arguments) for arguments in runs]
    except ServiceError as error:
        report(str(error))
        return 1
    if not linted:
        report("A check before the tests failed: see above")
    return next((code for code in codes if code), 0 if linted else 1)


def test(environment: dict[str, str], *arguments: str) -> int:
    """Run pytest once; returns its exit code."""
    report("Running the tests")
    return run([sys.executable, "-m", "pytest", "--cov", *arguments], environment)


def install_node_packages() -> None:
    """Install the packages of the contract tests in JavaScript. Without npm these skip, or fail in CI."""
    for lock in (ROOT / "tests").glob("*/*/package-lock.json"):
        report(f"Installing the packages of {lock.relative_to(ROOT)}")
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
        try:
            subprocess.run(command, cwd=lock.parent, stdin=subprocess.DEVNULL, check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            report(f"Node packages are missing: {error}")


if __name__ == "__main__":
    sys.exit(main())
