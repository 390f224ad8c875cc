"""Run all checks and tests, with the services they need, as `make test` and CI do.

`--fast` runs the tests that need no server, `--long` those that take minutes each, and `--at-scale` those
with many rows or large messages, which `--long` includes. Other arguments are passed to pytest, with the
services running. If a service or program is missing, its tests are skipped with its name;
with CI=true they fail.

Tests that fail are run once more by themselves, since on a busy machine any time limit can be too short. If
they pass then, they are reported as unsteady.
"""

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from scripts import lint
from scripts.services.process import ServiceError
from scripts.with_services import let_clean_up, report, run, services, stop_on_signals

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / ".pytest_cache"
# The slowest tests of each part are listed, since all tests have to stay within ten minutes.
PYTEST = (sys.executable, "-m", "pytest", "--durations=25", "--durations-min=3")
# The default format does not name the file of each test.
RECORD = "--override-ini=junit_family=xunit1"
# These tests start other programs and spend most of their time waiting for them.
WITH_PROGRAMS = (
    "tests/api/test_on_the_stack.py",
    "tests/browser",
    "tests/examples",
    "tests/flows/stack",
    "tests/sandbox/test_in_browser.py",
    "tests/test_scripts.py",
    "tests/tryout",
)
# The campaign, attacks on the whole stack, and installations on several hosts need most of the machine.
ALONE = ("tests/faults/test_campaign.py", "tests/hostile/test_hostile.py", "tests/hosts")
# All tests of a file run in one process, because many files share one server among their tests. The order is
# that of tests/support/distribution.py.
BY_FILE = ("--dist", "loadfile", "--no-loadscope-reorder")
PROCESSORS = os.cpu_count() or 1
# More than the processors, because tests mostly wait for a server.
WORKERS = str(2 * PROCESSORS)
NOT_WITH_PROGRAMS = (*BY_FILE, *(f"--ignore={path}" for path in WITH_PROGRAMS + ALONE))
IN_ONE_PROCESS = ("-n", WORKERS, *NOT_WITH_PROGRAMS)
NEEDS_NO_SERVER = (
    "not (rabbitmq or postgresql or browser or node or docs or nginx or slow or long or at_scale)"
)


@dataclass(frozen=True)
class Part:
    """A part of the tests. A part that is `patient` runs with a lower priority than the part beside it."""

    name: str
    options: Sequence[str]
    is_patient: bool = False

    @property
    def results(self) -> Path:
        """The file to which pytest writes the results."""
        return RESULTS / f"results {self.name}.xml"

    def command(self, *options: str) -> list[str]:
        """Return the command that runs tests of this part and writes the results."""
        priority = ("nice", "-n", "10") if self.is_patient else ()
        return [*priority, *PYTEST, RECORD, f"--junitxml={self.results}", *options]


SOON = ("-m", "not (long or at_scale)")
# Parts in the same brackets run side by side. The campaign mostly waits, for processes and for time-outs.
PARTS = (
    (
        Part("Faults", (*SOON, *ALONE)),
        Part("In one process", (*SOON, *IN_ONE_PROCESS), is_patient=True),
    ),
    (Part("With programs of their own", (*SOON, "-n", WORKERS, *BY_FILE, *WITH_PROGRAMS)),),
)
AT_SCALE_PARTS = ((Part("At scale", ("-m", "at_scale", *IN_ONE_PROCESS)),),)
LONG_PARTS = (
    (Part("Long, in one process", ("-m", "long or at_scale", *IN_ONE_PROCESS)),),
    (Part("Long, with programs of their own", ("-m", "long", "-n", "2", *BY_FILE, *WITH_PROGRAMS)),),
    (Part("Long, alone", ("-m", "long", *ALONE)),),
)
# Debian's packages that only long tests use.
LONG_PACKAGES = "firefox-esr webkit2gtk-driver xvfb buildah netavark mmdebstrap"
# One process for each processor: these tests wait for nothing, and each process has to read all tests first.
FAST = Part("Fast", ("-m", NEEDS_NO_SERVER, "-n", str(PROCESSORS), *NOT_WITH_PROGRAMS))
# A busy machine does not explain more failures than this, so more are not run again.
MOST_REPEATED = 5
# pytest's exit code if tests failed.
SOME_FAILED = 1
IN_CI = os.environ.get("CI") == "true"


def main() -> int:
    os.chdir(ROOT)
    stop_on_signals()
    arguments = sys.argv[1:]
    if arguments == ["--fast"]:
        return test([FAST], os.environ | {"BROKER_URL": "", "DATABASE_URL": ""})
    asked = {(): PARTS, ("--long",): LONG_PARTS, ("--at-scale",): AT_SCALE_PARTS}
    parts = asked.get(tuple(arguments))
    more = LONG_PACKAGES if parts is LONG_PARTS else ""
    subprocess.run(["scripts/install_packages.sh"], check=IN_CI, env=os.environ | {"MORE_PACKAGES": more})
    with installing_node_packages():
        linted = bool(arguments) or is_lint_clean()
    try:
        with services(require=IN_CI) as environment:
            if parts is None:
                codes = [run([*PYTEST, *arguments], environment)]
            else:
                codes = [test(each, environment) for each in parts]
    except ServiceError as error:
        report(str(error))
        return 1
    if not linted:
        report("A check before the tests failed: see above")
    return next((code for code in codes if code), 0 if linted else 1)


def test(parts: Sequence[Part], environment: dict[str, str]) -> int:
    """Run parts side by side, and failed tests once more by themselves. Return an exit code.

    The output of the last part is shown as it comes, that of the others when they end. The repetition has the
    same seed. Failures are excused only if all of them were repeated and passed.
    """
    seed = f"--randomly-seed={secrets.randbelow(1 << 32)}"
    names = " and ".join(part.name for part in parts)
    report(f"{names}: running the tests")
    began = time.monotonic()
    *others, last = parts
    with ExitStack() as running:
        beside = [
            running.enter_context(_started(part.command(seed, *part.options), environment)) for part in others
        ]
        code_of_last = run(last.command(seed, *last.options), environment)
        codes = [process.wait() for process in beside]
    codes = [
        _without_excused(part, code, seed, environment)
        for part, code in zip(parts, [*codes, code_of_last], strict=True)
    ]
    report(f"{names}: {time.monotonic() - began:.0f} s")
    return next((code for code in codes if code), 0)


@contextmanager
def _started(command: Sequence[str], environment: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command during the block, wait for it at the end, and then show its output."""
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
        try:
            yield process
        except SystemExit as asked:
            let_clean_up(process, asked)
            raise
        finally:
            output.seek(0)
            shutil.copyfileobj(output, sys.stdout.buffer)
            sys.stdout.flush()


def _without_excused(part: Part, code: int, seed: str, environment: dict[str, str]) -> int:
    """Run failed tests once more by themselves, and return 0 if they pass, otherwise the part's exit code."""
    failed = failures(part.results) if code == SOME_FAILED else []
    if not 0 < len(failed) <= MOST_REPEATED:
        return code
    report(f"{part.name}: once more by themselves: {', '.join(failed)}")
    if run(part.command(seed, *failed), environment) or passed(part.results) != len(failed):
        return code
    report(f"UNSTEADY, failed beside other tests and passed by themselves: {', '.join(failed)}")
    return 0


def failures(results: Path) -> list[str]:
    """Return the names of the tests that failed in a run, with the test at which a worker crashed."""
    return [
        _name_of(case) for case in _cases(results) if not _is_passed(case) and case.find("skipped") is None
    ]


def passed(results: Path) -> int:
    """Return the number of tests that passed in a run."""
    return sum(_is_passed(case) for case in _cases(results))


def _cases(results: Path) -> list[ElementTree.Element]:
    return list(ElementTree.parse(results).iter("testcase"))  # noqa: S314 (pytest has just written it)


def _is_passed(case: ElementTree.Element) -> bool:
    return not any(case.find(other) is not None for other in ("failure", "error", "skipped"))


def _name_of(case: ElementTree.Element) -> str:
    """Return a test's name as pytest takes it: ``tests/test_x.py::TestY::test_z[1]``.

    The results name the file of the function, although the test's class may have inherited it from another
    file.
    """
    file, classes = Path(case.get("file", "")), case.get("classname", "").split(".")
    for size in range(len(classes), 0, -1):
        module = Path(*classes[:size]).with_suffix(".py")
        if module.is_file():
            file, classes = module, classes[size:]
            break
    return "::".join([file.as_posix(), *classes, case.get("name", "")])


def is_lint_clean() -> bool:
    """Check style, types and so on, while pytest compiles the tests.

    The longest check uses one processor only. Compiling comes first, because the processes of the tests start
    at the same time, and each would compile every module again.
    """
    command = ["nice", "-n", "10", sys.executable, "-m", "pytest", "--collect-only", "-qq"]
    none = subprocess.DEVNULL
    compiling = subprocess.Popen(command, stdin=none, stdout=none, stderr=none)
    try:
        return lint.main() == 0
    finally:
        compiling.terminate()
        compiling.wait()


@contextmanager
def installing_node_packages() -> Iterator[None]:
    """Install the packages for examples and tests in JavaScript while the block runs.

    Without npm those tests skip, or fail in CI.
    """
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
    with ExitStack() as running:
        started = []
        for lock in [*ROOT.glob("examples/*/package-lock.json"), *ROOT.glob("tests/*/*/*/package-lock.json")]:
            report(f"Installing the packages of {lock.relative_to(ROOT)}")
            try:
                npm = subprocess.Popen(command, cwd=lock.parent, stdin=subprocess.DEVNULL)
            except OSError as error:
                report(f"Node packages are missing: {error}")
            else:
                started.append(running.enter_context(npm))
        yield
        for npm in started:
            if code := npm.wait():
                report(f"Node packages are missing: npm ended with {code}")


if __name__ == "__main__":
    sys.exit(main())
