"""The examples take part in purchases on the whole stack, in place of our services with those names."""

from pathlib import Path

import pytest

from tests.examples.programs import ORDERS, RISK, Example
from tests.flows.stack.crowd import Crowd, assert_settled
from tests.flows.stack.shopping import CHALLENGE, paid_once, rows, shopper_at
from tests.support.broker_users import url_of
from tests.support.program import Program
from tests.support.stack import Stack

pytestmark = [
    pytest.mark.rabbitmq,
    pytest.mark.postgresql,
    pytest.mark.node,
    pytest.mark.timeout(400),
]

SECRET_KEY = "a secret key of fifty characters or more, for the examples"
EXAMPLES = (RISK, ORDERS)


def example_at(stack: Stack, example: Example, folder: Path) -> Program:
    """Start an example as its service at the stack, and return the program."""
    program = example.program(
        folder, BROKER_URL=url_of(example.service, stack.broker_url), SECRET_KEY=SECRET_KEY
    )
    program.start()
    program.wait_for_line("ready")
    stack.programs[example.service] = program
    return program


@pytest.fixture
def stack(start_stack, node: str, tmp_path: Path) -> Stack:
    """Return a stack whose risk and orders services are the examples."""
    stack: Stack = start_stack(
        without=[each.service for each in EXAMPLES], environment={"SECRET_KEY": SECRET_KEY}
    )
    for example in EXAMPLES:
        example_at(stack, example, tmp_path)
    return stack


def nothing_was_handled_by_ours(stack: Stack) -> None:
    query = "SELECT DISTINCT type FROM payments_inboxmessage WHERE consumer IN ('risk', 'orders')"
    assert rows(stack, query) == []


def no_dead_letters(stack: Stack) -> None:
    assert rows(stack, "SELECT type, reason FROM payments_deadletter") == []


def test_purchases_complete_with_the_sealed_card_handed_on(stack: Stack) -> None:
    frictionless = shopper_at(stack)
    assert frictionless.pay(frictionless.order()).url.endswith("/result/")
    challenged = shopper_at(stack, CHALLENGE)
    challenged.decide(challenged.pay(challenged.order()), "approve")
    for shopper in (frictionless, challenged):
        # A successful payment shows that the services have passed the sealed card on.
        paid_once(stack, shopper)
    nothing_was_handled_by_ours(stack)
    no_dead_letters(stack)
    for example in EXAMPLES:
        assert stack.programs[example.service].terminate() == 0


def settled(stack: Stack, crowd: Crowd) -> None:
    """Check that every payment has ended, and that no client was told anything untrue."""
    crowd.when_the_patient_come_back()
    assert_settled(crowd)
    assert crowd.failures == []
    nothing_was_handled_by_ours(stack)
    no_dead_letters(stack)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_purchases_go_on_while_the_examples_are_killed(stack: Stack) -> None:
    with Crowd(stack) as crowd:
        for example in (*EXAMPLES, *EXAMPLES):
            crowd.until_more_have_paid(3, seconds=120)
            stack.programs[example.service].kill()
            stack.programs[example.service].start()
        crowd.until_more_have_paid(3, seconds=120)
    settled(stack, crowd)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_purchases_go_on_while_our_services_are_killed_and_restarted(stack: Stack) -> None:
    with Crowd(stack) as crowd:
        crowd.until_more_have_paid(3, seconds=120)
        stack.programs["checkout"].kill()
        stack.programs["checkout"].start()
        crowd.until_more_have_paid(3, seconds=120)
        for name in ("payments", "checkout", "relay"):
            stack.programs[name].terminate()
            stack.programs[name].start()
        crowd.until_more_have_paid(3, seconds=120)
    settled(stack, crowd)
