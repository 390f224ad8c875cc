"""Shoppers and staff with Firefox, and with WebKit, the engine of Safari. Other tests use Chromium."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from tests.browser.flows.books import assert_nothing_taken, assert_paid_once, given_back
from tests.browser.flows.shopper import TEA_PRICE
from tests.support import environment
from tests.support.program import Program
from tests.support.stack import Stack
from tests.support.waiting import wait_until

pytestmark = [
    pytest.mark.long,
    pytest.mark.rabbitmq,
    pytest.mark.postgresql,
    pytest.mark.timeout(600),
]

PROGRAM = Path(__file__).parent / "program" / "story.py"
STORY_SECONDS = 170
# Each story returns a payment's reference and the texts that the pages showed.
Tells = Callable[..., tuple[str, list[str]]]


@pytest.fixture(scope="session")
def display() -> Iterator[str]:
    """Yield the name of a display without a screen."""
    command = [environment.display_path(), "-displayfd", "1", "-nolisten", "tcp"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as running:
        try:
            assert running.stdout is not None
            number = running.stdout.readline().strip()
            assert number, "Xvfb does not start"
            yield f":{number}"
        finally:
            running.terminate()


@pytest.fixture(params=["firefox", "webkit"])
def story(request: pytest.FixtureRequest, tmp_path: Path) -> Tells:
    """Return a function that acts as a person in the engine's window."""
    python = environment.clients_python()
    if request.param == "webkit":
        engine, display = "webkit", request.getfixturevalue("display")
    else:
        engine, display = environment.firefox_path(), ""

    def told(stack: Stack, *story: str) -> tuple[str, list[str]]:
        command = [str(python), str(PROGRAM), engine, stack.web_url, *story]
        log = tmp_path / f"{story[0]}.log"
        variables = os.environ | {"DISPLAY": display, "TMPDIR": str(tmp_path)}
        program = Program("the story", command, log=log, environment=variables)
        program.start()
        try:
            wait_until(lambda: not program.is_alive, "the end of the story", seconds=STORY_SECONDS)
        finally:
            # If it were killed, its browser would remain.
            program.terminate()
        assert program.exit_code == 0, program.text()
        last = json.loads(program.text().splitlines()[-1])
        return last["reference"], last["seen"]

    return told


def test_a_shopper_pays_once(shared_stack: Stack, story: Tells):
    reference, seen = story(shared_stack, "pays")
    assert seen == ["Payment complete"]
    assert_paid_once(shared_stack, reference, *TEA_PRICE)


def test_a_shopper_who_goes_back_and_reloads_sees_that_it_is_paid(shared_stack: Stack, story: Tells):
    reference, seen = story(shared_stack, "comes_back_after_paying")
    assert seen == ["Payment complete"] * 3
    assert_paid_once(shared_stack, reference, *TEA_PRICE)


def test_a_shopper_is_told_what_is_wrong_with_a_field(shared_stack: Stack, story: Tells):
    reference, (number, code, focus) = story(shared_stack, "mistypes")
    assert "as digits: 12 to 20" in number
    assert "3 or 4 digits" in code
    assert focus == "card-number"
    assert_nothing_taken(shared_stack, reference, tries=0)


def test_a_shopper_approves_at_the_bank(shared_stack: Stack, story: Tells):
    reference, seen = story(shared_stack, "approves")
    assert seen == ["Payment complete"]
    assert_paid_once(shared_stack, reference, *TEA_PRICE)


def test_a_shopper_approves_in_a_frame_of_the_bank(framed_stack: Stack, story: Tells):
    reference, seen = story(framed_stack, "approves_in_a_frame")
    assert seen == ["Payment complete"]
    assert_paid_once(framed_stack, reference, *TEA_PRICE)


def test_a_shopper_cancels_in_a_frame_of_the_bank(framed_stack: Stack, story: Tells):
    reference, seen = story(framed_stack, "cancels_in_a_frame")
    assert seen == ["Payment not made"]
    assert_nothing_taken(framed_stack, reference)


def test_the_status_page_goes_on_by_itself(framed_stack: Stack, story: Tells):
    knob = {"knob": {"verb": "submit", "delay_ms": 4000}}
    requests.post(f"{framed_stack.sandbox_url}/scenarios/", json=knob, timeout=10).raise_for_status()
    reference, seen = story(framed_stack, "waits")
    assert seen == ["We are confirming your payment", "Payment complete"]
    assert_paid_once(framed_stack, reference, *TEA_PRICE)


def test_staff_refund_a_part(shared_stack: Stack, story: Tells):
    reference, _ = story(shared_stack, "pays")
    assert_paid_once(shared_stack, reference, *TEA_PRICE)
    _, (told,) = story(shared_stack, "refunds", reference)
    assert "Refund of £5.00" in told
    wait_until(lambda: given_back(shared_stack, reference) == 500, "the refund in the provider's books")
