"""Run all checks and tests, with the services they need, as `make test` and CI do.

`--fast` runs the tests that need no server, `--long` those that take minutes each. Other arguments are passed
to pytest, with the services running. If a service or program is missing, its tests are skipped with its name;
with CI=true they fail.

Tests that fail are run once more by themselves, since on a busy machine any time limit can be too short.
Those that pass then are reported as unsteady.
"""

import os
import secrets
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

from scripts import lint
from scripts.services.process import ServiceError
from scripts.with_services import report, run, services, stop_on_signals

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / ".pytest_cache" / "results.xml"
# The slowest tests of each part are listed, since the whole has to stay within ten minutes.
PYTEST = (sys.executable, "-m", "pytest", "--durations=25", "--durations-min=3")
# This format has the file of each test.
RECORD = ("--override-ini=junit_family=xunit1", f"--junitxml={RESULTS}")
# These tests start other programs and spend most of their time waiting for them.
WITH_PROGRAMS = (
    "tests/browser",
    "tests/examples",
    "tests/flows/stack",
    "tests/sandbox/test_in_browser.py",
    "tests/test_scripts.py",
    "tests/tryout",
)
# The campaign, and attacks on the whole stack, need the machine to themselves.
ALONE = ("tests/faults", "tests/hostile")
# All tests of a file run in one process, because many files share one server among their tests.
BY_FILE = ("--dist", "loadfile")
# Most of the time they wait for a server.
WORKERS = str(2 * (os.cpu_count() or 1))
IN_ONE_PROCESS = ("-n", WORKERS, *BY_FILE, *(f"--ignore={path}" for path in WITH_PROGRAMS + ALONE))
PARTS = (
    ("In one process", ("-m", "not long", *IN_ONE_PROCESS)),
    ("With programs of their own", ("-m", "not long", "-n", WORKERS, *BY_FILE, *WITH_PROGRAMS)),
    ("Faults", ("-m", "not long", *ALONE)),
)
LONG_PARTS = (
    ("Long, in one process", ("-m", "long", *IN_ONE_PROCESS)),
    ("Long, with programs of their own", ("-m", "long", "-n", "2", *BY_FILE, *WITH_PROGRAMS)),
    ("Long, alone", ("-m", "long", *ALONE)),
)
NEEDS_NO_SERVER = "not (rabbitmq or postgresql or browser or node or docs or nginx or slow or long)"
FAST = ("-m", NEEDS_NO_SERVER, *IN_ONE_PROCESS)
# A busy machine is no explanation for more failures than this, so they are not run again.
MOST_REPEATED = 5
# pytest's exit code.
SOME_FAILED = 1
IN_CI = os.environ.get("CI") == "true"


def main() -> int:
    os.chdir(ROOT)
    stop_on_signals()
    arguments = sys.argv[1:]
    if arguments == ["--fast"]:
        return test("Fast", os.environ | {"BROKER_URL": "", "DATABASE_URL": ""}, *FAST)
    parts = {(): PARTS, ("--long",): LONG_PARTS}.get(tuple(arguments))
    subprocess.run(["scripts/install_packages.sh"], check=IN_CI)
    linted = bool(arguments) or lint.main() == 0
    install_node_packages()
    try:
        with services(require=IN_CI) as environment:
            if parts is None:
                codes = [run([*PYTEST, *arguments], environment)]
            else:
                codes = [test(name, environment, *options) for name, options in parts]
    except ServiceError as error:
        report(str(error))
        return 1
    if not linted:
        report("A check before the tests failed: see above")
    return next((code for code in codes if code), 0 if linted else 1)


def test(name: str, environment: dict[str, str], *options: str) -> int:
    """Run one part, and what failed once more by itself; returns an exit code.

    The repetition has the same seed. It only excuses failures that it has all repeated, and that all passed.
    """
    seed = f"--randomly-seed={secrets.randbelow(1 << 32)}"
    report(f"{name}: running the tests")
    began = time.monotonic()
    code = run([*PYTEST, *RECORD, seed, *options], environment)
    failed = failures() if code == SOME_FAILED else []
    if 0 < len(failed) <= MOST_REPEATED:
        report(f"{name}: once more by themselves: {', '.join(failed)}")
        again = run([*PYTEST, *RECORD, seed, *failed], environment)
        if again == 0 and passed() == len(failed):
            report(f"UNSTEADY, failed beside other tests and passed by themselves: {', '.join(failed)}")
            code = 0
    report(f"{name}: {time.monotonic() - began:.0f} s")
    return code


def failures() -> list[str]:
    """Return the names of the tests that failed in the last run, that of a crashed worker included."""
    return [_name_of(case) for case in _recorded() if not _is_passed(case) and case.find("skipped") is None]


def passed() -> int:
    """Return the number of tests that passed in the last run."""
    return sum(_is_passed(case) for case in _recorded())


def _recorded() -> list[ElementTree.Element]:
    return list(ElementTree.parse(RESULTS).iter("testcase"))  # noqa: S314 (pytest has just written it)


def _is_passed(case: ElementTree.Element) -> bool:
    return not any(case.find(other) is not None for other in ("failure", "error", "skipped"))


def _name_of(case: ElementTree.Element) -> str:
    """Return the test's name as pytest takes it: ``tests/test_x.py::TestY::test_z[1]``."""
    file = case.get("file", "")
    module = file.removesuffix(".py").replace("/", ".")
    classes = case.get("classname", "").removeprefix(module).strip(".").split(".")
    return "::".join([file, *filter(None, classes), case.get("name", "")])


def install_node_packages() -> None:
    """Install the packages of examples and tests in JavaScript. Without npm these skip, or fail in CI."""
    for lock in [*ROOT.glob("examples/*/package-lock.json"), *ROOT.glob("tests/*/*/*/package-lock.json")]:
        report(f"Installing the packages of {lock.relative_to(ROOT)}")
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
        try:
            subprocess.run(command, cwd=lock.parent, stdin=subprocess.DEVNULL, check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            report(f"Node packages are missing: {error}")


if __name__ == "__main__":
    sys.exit(main())
