"""Every scenario, played against a running gateway and sandbox."""

from pathlib import Path

import pytest

from checkout.tryout.purchase import play
from checkout.tryout.scenarios import SCENARIOS, Scenario

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=lambda scenario: scenario.name)
def test_every_scenario_ends_as_it_says_and_no_money_moves_twice(demo, scenario):
    purchase = play(scenario, demo.url)
    assert (purchase.problem, purchase.end) == ("", scenario.expected)
    (order,) = demo.orders(purchase.payment)
    assert order["captured"] == (order["amount"] if scenario.expected == "captured" else 0)


def test_the_return_from_the_issuer_carries_no_cookie_and_sets_none(demo):
    purchase = play(SCENARIOS["challenge"], demo.url)
    (back,) = (hop for hop in purchase.hops if "/challenge/return/" in hop.url)
    assert (back.method, back.status, back.sent_cookies, back.set_cookies) == ("POST", 303, (), ())
    assert "orders" in purchase.hops[-1].sent_cookies


def test_another_end_than_the_expected_one_is_told(demo):
    hopeful = Scenario("hopeful", "", "REFUSED51", "captured", SCENARIOS["refused"].play)
    purchase = play(hopeful, demo.url)
    assert (purchase.end, purchase.is_as_expected) == ("refused", False)


def test_a_page_that_a_shopper_would_not_expect_is_told_with_how_the_payment_stands(demo):
    surprised = Scenario("surprised", "", "AUTHORISED", "captured", SCENARIOS["challenge"].play)
    purchase = play(surprised, demo.url)
    assert "is not the issuer's challenge" in purchase.problem
    assert purchase.end in ("capture_pending", "captured")
    assert not purchase.is_as_expected


def test_no_card_number_is_in_anything_that_the_demonstration_keeps(demo):
    play(SCENARIOS["challenge"], demo.url)
    kept = [
        file for file in demo.folder.iterdir() if file.name.startswith("gateway") or file.suffix == ".log"
    ]
    assert {"gateway.sqlite3", "web.log", "sandbox.log"} <= {file.name for file in kept}
    # SQLite may move its log into the database meanwhile and remove the log, so the database is read last.
    assert not [file.name for file in sorted(kept, reverse=True) if b"4444333322221111" in content_of(file)]


def content_of(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return b""
