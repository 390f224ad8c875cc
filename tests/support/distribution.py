"""The distribution of test files among the processes of a test run.

A process takes whole files, since the tests of a file often share a server. Files that share a stack of the
product's processes, which takes long to start, go to one process as well. The files that take longest come
first, so that no process is left alone with them in the end.
"""

import pytest
from xdist.scheduler import LoadFileScheduling

# Each value lists beginnings of the paths of files that one process takes.
TOGETHER = {
    "in the back office": ("tests/browser/test_",),
    "in the shop": ("tests/api/clients/", "tests/api/test_on_the_stack.py", "tests/browser/flows/"),
    "beside the demonstration": (
        "tests/tryout/test_clock.py",
        "tests/tryout/test_demo.py",
        "tests/tryout/test_example_shop.py",
        "tests/tryout/test_listen.py",
        "tests/tryout/test_quickstart.py",
        "tests/tryout/test_readme.py",
        "tests/tryout/test_scenarios.py",
        "tests/tryout/test_trigger.py",
        "tests/tryout/test_try_purchase.py",
    ),
    "on a stack that nothing changes": ("tests/flows/stack/test_bad_",),
}
# Other files that take long, because their tests start programs, or wait for a server's slow work.
SLOW = (
    "tests/contracts/",
    "tests/database/",
    "tests/examples/",
    "tests/flows/",
    "tests/installation/test_own_apps.py",
    "tests/management/test_startservice.py",
    "tests/simulation/",
    "tests/test_scripts.py",
)


class Distribution(LoadFileScheduling):  # type: ignore[misc]  # pytest-xdist has no types
    """A scheduler of pytest-xdist that gives whole files, and groups of files, to one process."""

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)


def unit_of(nodeid: str) -> str:
    """Return the name of the unit that one process takes: the test's file, or its group in `TOGETHER`."""
    file = file_of(nodeid)
    return next((name for name, starts in TOGETHER.items() if file.startswith(starts)), file)


def longest_first(items: list[pytest.Item]) -> None:
    """Put files that take longer first. The tests of a file stay in their order."""
    files: dict[str, int] = {}
    for item in items:
        files.setdefault(file_of(item.nodeid), len(files))
    items.sort(key=lambda item: (_rank(item.nodeid), files[file_of(item.nodeid)]))


def file_of(nodeid: str) -> str:
    return nodeid.partition("::")[0]


def _rank(nodeid: str) -> int:
    if unit_of(nodeid) in TOGETHER:
        return 0
    return 1 if nodeid.startswith(SLOW) else 2
