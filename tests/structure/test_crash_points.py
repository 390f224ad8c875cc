"""Every crash point can be armed, is reached by the code, and is used by the fault campaign."""

import re

import pytest

from messaging import crash_points
from tests.faults.injectors.keeper import POINTS
from tests.support.source import modules_of

REACHED = re.compile(r"crash_points\.reached\(\"([a-z_.]+)\"\)")


def reached() -> set[str]:
    sources = (module.source for module in modules_of("messaging", "checkout"))
    return {point for source in sources for point in REACHED.findall(source)}


def test_the_points_that_the_code_reaches_are_those_that_are_defined():
    assert reached() == set(crash_points.defined())
    assert len(reached()) == 13


def test_the_campaign_visits_every_point():
    assert {point for points in POINTS.values() for point in points} == reached()


@pytest.mark.parametrize("point", crash_points.defined())
def test_every_point_can_be_armed(point):
    crash_points.arm(point)
    crash_points.observe(None)


def test_a_point_that_does_not_exist_is_refused_and_those_that_do_are_named():
    with pytest.raises(ValueError, match=r"web\.intent_committed"):
        crash_points.arm("nowhere")
