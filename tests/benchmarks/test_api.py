"""The benchmarks of the API, run small: both tables have their lines."""

import shutil

import pytest

from benchmarks.api import creates, held
from tests.support.environment import missing

pytestmark = [pytest.mark.long, pytest.mark.rabbitmq, pytest.mark.postgresql, pytest.mark.timeout(400)]


def test_creates_are_measured_beside_inserts_by_django_rest_framework():
    if shutil.which("wrk") is None:
        missing("wrk: install Debian's package wrk")
    runs = creates.measure(rounds=1, seconds=2)
    assert list(runs) == ["create a payment", "one insert by DRF"]
    assert all(run.web_ms > 0 and run.database_ms >= 0 for (run,) in runs.values())
    assert creates.as_table(runs).count("\n") == 3


def test_held_requests_are_all_answered_and_take_no_thread_each():
    measured = held.measure(60)
    assert measured.answered == 60
    assert measured.during.threads < measured.before.threads + 10
    assert held.as_table(measured).count("\n") == 4
