"""The developer's pages and the knobs."""

import pytest
import requests

from sandbox.faults.fault_settings import LONGEST_DELAY_MS
from tests.sandbox.merchant import Merchant, turn
from tests.support.waiting import wait_until

PAGES = ["/", "/scenarios/"]


@pytest.mark.parametrize("path", PAGES)
def test_every_page_says_that_no_money_is_real_and_may_not_be_framed(sandbox, path):
    page = requests.get(f"{sandbox}{path}", headers={"Accept": "text/html"}, timeout=20)
    assert page.status_code == 200
    assert "never real money" in page.text
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]


@pytest.mark.parametrize("path", ["/worldpay/shopper/3ds/ddc.html", "/acs/challenge/"])
def test_pages_of_a_challenge_may_be_framed_by_any_site_and_say_the_same(sandbox, path):
    page = requests.post(f"{sandbox}{path}", timeout=20)
    assert "never real money" in page.text
    assert "frame-ancestors *" in page.headers["content-security-policy"]
    assert "x-frame-options" not in page.headers


def test_it_is_alive(sandbox):
    assert requests.get(f"{sandbox}/livez", timeout=20).json() == {"status": "ok"}


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/nowhere", 404), ("GET", "/acs/challenge/", 405)]
)
def test_what_does_not_exist_gets_a_clear_page(sandbox, method, path, status):
    page = requests.request(method, f"{sandbox}{path}", timeout=20)
    assert page.status_code == status
    assert 'role="alert"' in page.text


def test_the_encryption_script_brings_the_key_that_is_also_there_alone(sandbox):
    script = requests.get(f"{sandbox}/worldpay/cse/worldpay-cse.js", timeout=20)
    key = requests.get(f"{sandbox}/worldpay/cse/public-key.txt", timeout=20)
    assert script.headers["content-type"].startswith("text/javascript")
    assert key.text.startswith("1#10001#")
    assert script.text.endswith(f'Worldpay.setPublicKey("{key.text}");\n')


def test_magic_values_are_listed(sandbox):
    listing = requests.get(f"{sandbox}/scenarios/", timeout=20).json()
    assert {"3DS_V2_CHALLENGE_IDENTIFIED", "LATER_REFUSEDnn"} <= {
        row["value"] for row in listing["holder_names"]
    }
    assert "4000000000002503" in {row["value"] for row in listing["card_numbers"]}


def test_a_knob_delays_as_many_replies_as_it_says(merchant, sandbox):
    merchant.submit("order-1")
    turn(sandbox, knob={"verb": "inquiry", "delay_ms": LONGEST_DELAY_MS, "times": 1})
    with pytest.raises(requests.ReadTimeout):
        Merchant(sandbox, patience_seconds=0.2).inquire("order-1")
    assert merchant.inquire("order-1").text("lastEvent") == "AUTHORISED"
    assert turn(sandbox)["pending_knobs"] == []


def test_a_knob_without_a_count_stays_until_the_reset(merchant, sandbox):
    knob = {"verb": "inquiry", "delay_ms": 0, "times": None}
    turn(sandbox, knob=knob)
    merchant.inquire("order-1")
    assert turn(sandbox)["pending_knobs"] == [knob]
    assert turn(sandbox, reset=True)["pending_knobs"] == []


def test_what_is_still_to_come_is_counted(sandbox_of):
    with sandbox_of(settle_seconds=3600, notification_url="http://127.0.0.1:9/") as url:
        Merchant(url).submit("order-1")
        Merchant(url).capture("order-1", 600)
        listing = turn(url)
        assert (listing["open_plans"], listing["open_notifications"]) == (1, 1)
        turn(url, clock_scale=1e9)
        wait_until(lambda: turn(url)["open_plans"] == 0, "the booking")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"knob": {"verb": "dance"}}',
        b'{"knob": {"verb": "submit", "delay_ms": -1}}',
        b'{"other": 1}',
        b'{"knob": {"verb": "submit", "fault": "earthquake"}}',
        b'{"knob": {"verb": "submit", "probability": 1.5}}',
        b'{"notification": {"journal": "CAPTURED", "copies": 0}}',
        b'{"clock_scale": 0}',
    ],
)
def test_a_faulty_setting_is_refused(sandbox, body):
    answer = requests.post(f"{sandbox}/scenarios/", body, timeout=20)
    assert answer.status_code == 400
    assert answer.json()["errors"]


def test_the_page_for_browsers_shows_what_is_set_and_what_has_struck(merchant, sandbox):
    turn(sandbox, knob={"verb": "inquiry", "fault": "503_before", "times": 2})
    turn(sandbox, notification={"journal": "CAPTURED", "fault": "lost"}, clock_scale=60)
    merchant.post_raw(
        b"<paymentService version='1.4'><inquiry><orderInquiry orderCode='a'/></inquiry></paymentService>"
    )
    page = requests.get(f"{sandbox}/scenarios/", headers={"Accept": "text/html"}, timeout=20).text
    assert "<code>lost</code>" in page
    assert "60.0 times" in page
    assert "<code>inquiry</code> <code>503_before</code>: 1" in page
