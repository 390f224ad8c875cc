"""A service in another language, written from the documented contract alone, takes part in a purchase."""

from collections.abc import Iterator

import pytest

from tests.flows.stack.shopping import CHALLENGE, paid_once, rows, shopper_at
from tests.support.broker_users import url_of
from tests.support.javascript import installed_service
from tests.support.program import Program
from tests.support.stack import Stack

pytestmark = [pytest.mark.rabbitmq, pytest.mark.postgresql, pytest.mark.node, pytest.mark.timeout(400)]


@pytest.fixture
def stack(start_stack, node: str) -> Iterator[Stack]:
    """Yield a stack whose risk service is the one in JavaScript."""
    stack: Stack = start_stack(without=["risk"])
    service = Program(
        "risk",
        [node, str(installed_service() / "service.mjs")],
        log=stack.folder / "risk.log",
        environment={"BROKER_URL": url_of("risk", stack.broker_url), "CHECKOUT_PREFIX": "checkout"},
    )
    service.start()
    stack.wait_for_consumer("checkout.commands.risk")
    yield stack
    assert service.terminate() == 0, service.text()


def test_purchases_complete_with_the_sealed_card_handed_on(stack):
    frictionless = shopper_at(stack)
    assert frictionless.pay(frictionless.order()).url.endswith("/result/")
    challenged = shopper_at(stack, CHALLENGE)
    challenged.decide(challenged.pay(challenged.order()), "approve")
    for shopper in (frictionless, challenged):
        # A successful payment shows that the sealed card has been forwarded through the service.
        paid_once(stack, shopper)
    assert rows(stack, "SELECT DISTINCT consumer FROM payments_inboxmessage WHERE type = 'risk.assess'") == []
