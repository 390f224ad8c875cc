"""The primary dies while shoppers buy, and its standby takes over: nothing that was committed is lost.

`pytest -s` shows the figures.
"""

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
import requests

from checkout.conf.published import DEVELOPMENT_PASSWORD
from tests.flows.stack.crowd import Crowd, assert_settled
from tests.flows.stack.shopping import rows, shopper_at
from tests.flows.stack.site import opened
from tests.support.standby import Pair, Server
from tests.support.waiting import wait_until

LONGEST_OUTAGE_SECONDS = 30
PAUSE_SECONDS = 0.1
PAYMENTS = "SELECT reference FROM payments_payment"
FROM_REPLICA = "This list is from the replica"
# The record of an action by a member of staff.
ACTION = """
    INSERT INTO django_admin_log (action_time, user_id, object_repr, action_flag, change_message)
    SELECT now(), id, 'a payment', 2, 'Captured' FROM auth_user WHERE username = 'admin'"""
FACTS = "SELECT id, payment_id, kind FROM payments_fact"

pytestmark = [pytest.mark.rabbitmq, pytest.mark.postgresql, pytest.mark.long, pytest.mark.timeout(600)]


@dataclass
class Look:
    """Answers of one page while the database was away: their times, and the parts that each lacked."""

    at: list[float] = field(default_factory=list)
    texts: set[str] = field(default_factory=set)
    without_advice: int = 0


@contextmanager
def looking(url: str) -> Iterator[Look]:
    """Request a page again and again, and yield a record of its answers that are no success."""
    look, enough = Look(), threading.Event()

    def go_on() -> None:
        while not enough.wait(PAUSE_SECONDS):
            answer = requests.get(url, timeout=30)
            if answer.status_code >= 400:
                look.at.append(time.monotonic())
                look.texts.add(f"{answer.status_code} {answer.text}")
                look.without_advice += "Retry-After" not in answer.headers

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield look
    finally:
        enough.set()
        thread.join()


@pytest.fixture(scope="module")
def site():
    with opened(Pair) as site:
        yield site


def rows_of(server: Server, query: str) -> set[tuple[object, ...]]:
    return set(server.run(query))


def list_of_payments(staff: requests.Session, web: str) -> str:
    """Return the page of the back office that lists payments."""
    answer = staff.get(f"{web}/admin/payments/payment/", timeout=30)
    assert answer.status_code == 200
    return answer.text


@pytest.fixture
def staff(site) -> requests.Session:
    """Return a session in which a member of staff has logged in."""
    session, url = requests.Session(), f"{site.stack.web_url}/admin/login/?next=/admin/"
    token = re.findall(r'name="csrfmiddlewaretoken" value="([^"]+)"', session.get(url, timeout=30).text)[0]
    form = {"csrfmiddlewaretoken": token, "username": "admin", "password": DEVELOPMENT_PASSWORD}
    assert "Log out" in session.post(url, form, headers={"Referer": url}, timeout=30).text
    return session


def test_lists_are_read_from_the_standby_but_not_after_an_action(site, staff):
    web = site.stack.web_url
    shopper = shopper_at(site.stack)
    shopper.pay(shopper.order())
    wait_until(lambda: FROM_REPLICA in list_of_payments(staff, web), "the replica to be read")
    [(payment,)] = rows(site.stack, "SELECT id FROM payments_payment WHERE reference = %s", shopper.reference)
    path = f"/admin/payments/payment/{payment}/change/"
    wait_until(lambda: path in list_of_payments(staff, web), "the payment in the list")
    page = staff.get(f"{web}{path}", timeout=30)
    assert (page.status_code, FROM_REPLICA in page.text) == (200, False)
    rows(site.stack, ACTION)
    assert FROM_REPLICA not in list_of_payments(staff, web)


def test_while_a_standby_is_promoted_shoppers_wait_and_no_committed_payment_is_lost(site):
    pair, web = site.postgresql, site.stack.web_url
    with Crowd(site.stack) as crowd:
        crowd.until_more_have_paid()
        page = f"{web}/checkout/{crowd.told_paid[0]}/"
        with (
            looking(f"{page}status.json") as polls,
            looking(page) as pages,
            looking(f"{web}/readyz") as ready,
        ):
            pair.primary.kill()
            wait_until(lambda: polls.at and pages.at and ready.at, "everybody to be told")
            pair.promote()
            promoted = time.monotonic()
            crowd.until_more_have_paid()
            paid_again = time.monotonic()
    assert {status for status in crowd.answers if status >= 500} <= {503}, crowd.answers
    assert all("after 503" in failure for failure in crowd.failures), crowd.failures
    seen = [*polls.at, *pages.at]
    outage = max(seen) - min(seen)
    assert outage < LONGEST_OUTAGE_SECONDS
    assert polls.without_advice == pages.without_advice == 0
    assert all(text.startswith("503") for text in polls.texts | pages.texts | ready.texts)
    assert not any("failed" in text for text in polls.texts | pages.texts)
    assert any('"database"' in text for text in ready.texts)
    came_back = crowd.when_the_patient_come_back()
    ends = assert_settled(crowd)
    # The lost primary had every transaction that was acknowledged, and perhaps some that were not.
    pair.standby.start_fenced()
    lost, kept = pair.standby, pair.primary
    told = {(reference,) for reference in crowd.told_paid}
    only_there = rows_of(lost, PAYMENTS) - rows_of(kept, PAYMENTS)
    print(
        f"\nStandby promoted: {outage:.1f} s of 503, the last {max(seen) - promoted:.1f} s after promotion,"
        f" {paid_again - promoted:.1f} s until six purchases more; answers {crowd.answers},"
        f" {came_back}, ends {ends}; on the lost server {len(rows_of(lost, PAYMENTS))} payments,"
        f" {len(only_there)} of them nowhere else,"
        f" {len(rows_of(lost, FACTS) - rows_of(kept, FACTS))} facts nowhere else"
    )
    assert told <= rows_of(kept, PAYMENTS)
    assert not only_there & {(shopper.reference,) for shopper in crowd.patient} | (only_there & told)
    # From here on, purchases have a standby again.
    pair.make_anew()
    with Crowd(site.stack) as crowd:
        crowd.until_more_have_paid()
    assert crowd.failures == []
