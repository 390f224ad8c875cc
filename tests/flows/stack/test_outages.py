"""RabbitMQ, PostgreSQL and every process of the product stop and come back while shoppers buy.

OUTAGE_SECONDS sets the duration of RabbitMQ's outage. `pytest -s` shows the figures.
"""

import os
import re
import threading

import pytest

from checkout.web.pending_publishes import KEPT_SECONDS
from tests.flows.stack.crowd import Crowd, assert_settled
from tests.flows.stack.memory import Watch, resident_mb
from tests.flows.stack.site import Site
from tests.support.waiting import wait_until

OUTAGE_SECONDS = float(os.environ.get("OUTAGE_SECONDS", "6"))
BUDGET_SECONDS = 4
# Tolerance for a busy machine. The test asserts that no shopper waits for the broker to come back.
SLACK_SECONDS = 8
MORE_MEMORY_MB = 48
# The warnings and errors of one process about one outage, whatever its length.
MOST_LINES = 8

pytestmark = [
    pytest.mark.rabbitmq,
    pytest.mark.postgresql,
    pytest.mark.long,
    pytest.mark.timeout(300 + 6 * OUTAGE_SECONDS),
]


def loud_lines(site: Site, before: dict[str, int]) -> dict[str, list[str]]:
    """Return the events of warnings and errors that each process has logged since then."""
    pattern = r'level=(?:warning|error) event=(".*?(?<!\\)"|\S+)'
    programs = site.stack.programs.values()
    return {each.name: re.findall(pattern, each.text()[before[each.name] :]) for each in programs}


def logged(site: Site) -> dict[str, int]:
    """Return how much each process has logged."""
    return {each.name: len(each.text()) for each in site.stack.programs.values()}


def assert_told_once(lines: dict[str, list[str]], what: str) -> None:
    for name, events in lines.items():
        assert events.count(f'"{what} not reachable"') <= 1, (name, events)
        assert len(events) <= MOST_LINES, (name, events)
    assert any(f'"{what} not reachable"' in events for events in lines.values()), lines


def test_while_rabbitmq_is_away_shoppers_are_asked_for_patience_and_all_ends_well(site):
    web = site.stack.programs["web"]
    with Crowd(site.stack) as crowd:
        crowd.until_more_have_paid()
        before, logged_before = resident_mb(web), logged(site)
        with Watch(web) as memory:
            site.rabbitmq.stop()
            threading.Event().wait(OUTAGE_SECONDS)
            site.rabbitmq.start()
        site.until_ready()
        # The submissions from the outage are handled before this one.
        seconds = crowd.until_more_have_paid(seconds=60 + 3 * OUTAGE_SECONDS)
    lines = loud_lines(site, logged_before)
    longest = crowd.longest_seconds
    came_back = crowd.when_the_patient_come_back()
    ends = assert_settled(crowd)
    print(
        f"\nRabbitMQ away for {OUTAGE_SECONDS:g} s: answers {crowd.answers}, longest {longest:.1f} s,"
        f" {len(crowd.patient)} asked for patience, of whom {came_back}; ends {ends};"
        f" {seconds:.0f} s until new purchases were answered in time;"
        f" web {before:.0f} MB before, {memory.peak_mb:.0f} at most, {resident_mb(web):.0f} after"
    )
    assert crowd.failures == []
    assert max(crowd.answers) < 500, crowd.answers
    assert longest < BUDGET_SECONDS + SLACK_SECONDS
    assert memory.peak_mb < before + MORE_MEMORY_MB
    assert crowd.patient
    assert_told_once(lines, "broker")
    if OUTAGE_SECONDS < KEPT_SECONDS / 2:
        assert set(came_back) == {"paid"}


def test_while_postgresql_restarts_shoppers_are_asked_to_come_again_and_nothing_is_lost(site):
    with Crowd(site.stack) as crowd:
        crowd.until_more_have_paid()
        before = logged(site)
        site.postgresql.stop()
        wait_until(lambda: 503 in crowd.answers, "somebody to be told")
        site.postgresql.start()
        crowd.until_more_have_paid()
        lines = loud_lines(site, before)
    assert {status for status in crowd.answers if status >= 500} == {503}, crowd.answers
    assert all("after 503" in failure for failure in crowd.failures), crowd.failures
    assert_told_once(lines, "database")
    crowd.when_the_patient_come_back()
    ends = assert_settled(crowd)
    print(f"\nPostgreSQL restarted: answers {crowd.answers}, ends {ends}")


def test_a_rolling_restart_of_every_process_fails_nobody(site):
    with Crowd(site.stack) as crowd:
        crowd.until_more_have_paid()
        site.restart_one_after_the_other()
        crowd.until_more_have_paid()
    assert crowd.failures == []
    assert max(crowd.answers) < 400, crowd.answers
    crowd.when_the_patient_come_back()
    ends = assert_settled(crowd)
    print(f"\nEvery process restarted: answers {crowd.answers}, {len(crowd.told_paid)} paid at once, {ends}")
