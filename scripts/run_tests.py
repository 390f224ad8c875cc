"""Run all checks and tests, with the services they need, as `make test` and CI do.

`--fast` runs the tests that need no server, `--long` those that take minutes each. Other arguments are passed
to pytest, with the services running. If a service or program is missing, its tests are skipped with its name;
with CI=true they fail.

Tests that fail are run once more by themselves, since on a busy machine any time limit can be too short.
Those that pass then are reported as unsteady.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from scripts import lint
from scripts.services.process import ServiceError
from scripts.with_services import report, run, services, stop_on_signals

ROOT = Path(__file__).resolve().parent.parent
LAST_FAILED = ROOT / ".pytest_cache" / "v" / "cache" / "lastfailed"  # pytest writes it
# These tests start other programs and spend most of their time waiting for them.
WITH_PROGRAMS = (
    "tests/browser",
    "tests/flows/stack",
    "tests/sandbox/test_in_browser.py",
    "tests/test_scripts.py",
    "tests/tryout",
)
# The campaign, and attacks on the whole stack, need the machine to themselves.
ALONE = ("tests/faults", "tests/hostile")
# All tests of a file run in one process, because many files share one server among their tests.
BY_FILE = ("--dist", "loadfile")
IN_ONE_PROCESS = ("-n", "auto", *BY_FILE, *(f"--ignore={path}" for path in WITH_PROGRAMS + ALONE))
PARTS = (
    ("In one process", ("-m", "not long", *IN_ONE_PROCESS)),
    ("With programs of their own", ("-m", "not long", "-n", "3", *BY_FILE, *WITH_PROGRAMS)),
    ("Faults", ("-m", "not long", *ALONE)),
)
LONG_PARTS = (
    ("Long, with programs of their own", ("-m", "long", "-n", "2", *BY_FILE, *WITH_PROGRAMS)),
    ("Long, alone", ("-m", "long", *ALONE)),
)
NEEDS_NO_SERVER = "not (rabbitmq or postgresql or browser or node or nginx or slow or long)"
FAST = ("-m", NEEDS_NO_SERVER, *IN_ONE_PROCESS)
# A busy machine is no explanation for more failures than this, so they are not run again.
MOST_REPEATED = 5
NO_TEST_FAILED, SOME_FAILED, NOTHING_COLLECTED = 0, 1, 5
IN_CI = os.environ.get("CI") == "true"


def main() -> int:
    os.chdir(ROOT)
    stop_on_signals()
    arguments = sys.argv[1:]
    if arguments == ["--fast"]:
        return test("Fast", os.environ | {"BROKER_URL": "", "DATABASE_URL": ""}, *FAST)
    is_all = not arguments
    subprocess.run(["scripts/install_packages.sh"], check=IN_CI)
    linted = lint.main() == 0 if is_all else True
    install_node_packages()
    parts = {(): PARTS, ("--long",): LONG_PARTS}.get(tuple(arguments), (("Chosen", tuple(arguments)),))
    try:
        with services(require=IN_CI) as environment:
            codes = [test(name, environment, *options) for name, options in parts]
    except ServiceError as error:
        report(str(error))
        return 1
    if not linted:
        report("A check before the tests failed: see above")
    return next((code for code in codes if code), 0 if linted else 1)


def test(name: str, environment: dict[str, str], *arguments: str) -> int:
    """Run pytest, run failed tests once more by themselves, and return an exit code."""
    report(f"{name}: running the tests")
    began = time.monotonic()
    code = pytest(environment, *arguments)
    failed = failures() if code == SOME_FAILED else []
    if 0 < len(failed) <= MOST_REPEATED:
        report(f"{name}: once more by themselves: {', '.join(failed)}")
        code = pytest(environment, "-p", "no:randomly", *failed)
        if code == NO_TEST_FAILED:
            report(f"UNSTEADY, failed beside other tests and passed by themselves: {', '.join(failed)}")
    report(f"{name}: {time.monotonic() - began:.0f} s")
    return NO_TEST_FAILED if code == NOTHING_COLLECTED else code


def pytest(environment: dict[str, str], *arguments: str) -> int:
    """Run pytest once and return its exit code."""
    LAST_FAILED.unlink(missing_ok=True)
    return run([sys.executable, "-m", "pytest", *arguments], environment)


def failures() -> list[str]:
    """Return the names of the tests that failed in the last run."""
    return list(json.loads(LAST_FAILED.read_text())) if LAST_FAILED.exists() else []


def install_node_packages() -> None:
    """Install the packages of the JavaScript contract tests. Without npm these tests skip, or fail in CI."""
    for lock in (ROOT / "tests").glob("*/*/package-lock.json"):
        report(f"Installing the packages of {lock.relative_to(ROOT)}")
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
        try:
            subprocess.run(command, cwd=lock.parent, stdin=subprocess.DEVNULL, check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            report(f"Node packages are missing: {error}")


if __name__ == "__main__":
    sys.exit(main())
