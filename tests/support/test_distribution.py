"""Tests of the distribution of files among the processes of a test run."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from scripts.run_tests import ALONE, WITH_PROGRAMS
from tests.support.distribution import SLOW, TOGETHER, longest_first, unit_of
from tests.support.program import ROOT

NAMED = (*(start for starts in TOGETHER.values() for start in starts), *SLOW, *WITH_PROGRAMS, *ALONE)


def in_order(*names: str) -> list[str]:
    items = [SimpleNamespace(nodeid=name) for name in names]
    longest_first(cast("list[Any]", items))
    return [item.nodeid for item in items]


def test_tests_of_a_file_are_taken_by_one_process():
    assert unit_of("tests/test_money.py::test_a") == unit_of("tests/test_money.py::TestB::test_c[x::y]")
    assert unit_of("tests/test_money.py::test_a") != unit_of("tests/test_rates.py::test_a")


@pytest.mark.parametrize(
    ("one", "other", "is_shared"),
    [
        ("tests/tryout/test_demo.py", "tests/tryout/test_scenarios.py", True),
        ("tests/browser/test_pages.py", "tests/browser/test_lists.py", True),
        ("tests/browser/test_pages.py", "tests/browser/flows/test_purchase.py", False),
        ("tests/flows/stack/test_bad_bytes.py", "tests/flows/stack/test_limits.py", False),
    ],
)
def test_files_that_share_a_stack_are_taken_by_one_process(one, other, is_shared):
    assert (unit_of(f"{one}::test_a") == unit_of(f"{other}::test_b")) == is_shared


def test_files_that_take_longer_come_first_and_stay_whole():
    money, script = "tests/test_money.py::test_a", "tests/test_scripts.py::test_a"
    demo, other = "tests/tryout/test_demo.py::test_a", "tests/tryout/test_scenarios.py::test_a"
    again, rates = "tests/tryout/test_demo.py::test_b", "tests/test_rates.py::test_a"
    expected = [demo, again, other, script, rates, money]
    assert in_order(demo, rates, other, script, money, again) == expected


@pytest.mark.parametrize("start", NAMED)
def test_every_file_that_is_named_is_there(start):
    assert list(ROOT.glob(f"{start}*"))
