"""``make demo MESS=1`` leaves the unsettled cases that the page about the rehearsal lists."""

import re
from pathlib import Path

import pytest
import requests

from checkout.conf.published import DEVELOPMENT_PASSWORD
from checkout.tryout.mess import MATTERS
from tests.support.program import ROOT, Program
from tests.support.waiting import wait_until
from tests.tryout.running_demo import MANAGE, RunningDemo

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
PAGE = Path(ROOT) / "docs/rehearsal.md"
WAITING = (
    "Authorised although 3-D Secure failed",
    "asks for information about a dispute",
    "conflicts with ours",
    "waits until staff say what became of it",
)


def test_the_rehearsal_has_a_line_for_each_order_that_is_left():
    told = re.findall(r"^\| `(W-\d)` \|", PAGE.read_text(), re.MULTILINE)
    assert told == [matter.order for matter in MATTERS]


def test_everything_waits_for_staff_within_two_minutes(tmp_path):
    demo = RunningDemo(tmp_path)
    command = [*MANAGE, *demo.command("--mess")]
    program = Program("mess", command, log=tmp_path / "mess.log", environment=demo.environment)
    program.start()
    try:
        program.wait_for_line("Ctrl-C stops everything.", seconds=180)
        told = program.log.read_text()
        assert [matter.order for matter in MATTERS if f"  {matter.order}  {matter.what}" not in told] == []
        with requests.Session() as session:
            log_in(session, demo.url)
            wait_until(lambda: missing(session, demo.url) == [], "everything to wait for staff", seconds=120)
    finally:
        assert program.terminate() == 0


def log_in(session, url):
    session.get(f"{url}/admin/login/", timeout=20)
    token = session.cookies["csrftoken"]
    form = {"username": "admin", "password": DEVELOPMENT_PASSWORD, "csrfmiddlewaretoken": token}
    assert session.post(f"{url}/admin/login/", form, allow_redirects=False, timeout=20).status_code == 302


def missing(session, url):
    """Return the cases that are missing on the page of what needs attention and its lists."""
    page = session.get(f"{url}/admin/payments/payment/attention/", timeout=20).text
    waits = " ".join(re.findall(r'<tr class="waits">.*?</tr>', page, re.DOTALL))
    lists = {
        "payments/payment/?state=authorised": ("W-1", "W-2"),
        "payments/dispute/": ("W-4", "W-5"),
        "payments/difference/?status=open": ("W-8",),
        "payments/providernotification/?state__exact=unmatched": ("unmatched",),
    }
    found = {address: session.get(f"{url}/admin/{address}", timeout=20).text for address in lists}
    return [each for each in WAITING if each not in waits] + [
        name for address, names in lists.items() for name in names if name not in found[address]
    ]
