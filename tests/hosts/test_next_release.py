"""Shoppers pay while the next release is installed on one host after another, and removed again."""

import pytest

from tests.flows.stack.crowd import assert_settled
from tests.flows.stack.shopping import rows
from tests.hosts.installation import PROGRAMS, opened
from tests.support.next_release_settings import FIELD

pytestmark = [
    pytest.mark.rabbitmq,
    pytest.mark.postgresql,
    pytest.mark.nginx,
    pytest.mark.long,
    pytest.mark.timeout(900),
]
NEXT = {"DJANGO_SETTINGS_MODULE": "tests.support.next_release_settings"}
# The migrations of the next release only add (docs/deployment.md).
MIGRATIONS = (
    "ALTER TABLE payments_payment ADD COLUMN of_the_next_release text NOT NULL DEFAULT ''",
    "ALTER TABLE payments_outboxmessage ADD COLUMN of_the_next_release text NOT NULL DEFAULT ''",
    "CREATE INDEX CONCURRENTLY next_release_index ON payments_payment (of_the_next_release)",
)
SENT = "SELECT DISTINCT type FROM payments_outboxmessage WHERE body LIKE %s"


@pytest.fixture(scope="module")
def installation():
    with opened() as installation:
        yield installation


def test_no_shopper_notices_that_a_next_release_takes_over_and_is_taken_back(installation):
    stack = installation.production.stack
    with installation.shoppers(600) as crowd:
        crowd.until_more_have_paid(4)
        for migration in MIGRATIONS:
            rows(stack, migration)
        crowd.until_more_have_paid(4)
        for host, programs in in_the_order_of_the_page():
            installation.restart(host, only=programs, **NEXT)
            crowd.until_more_have_paid(4)
        for host, programs in reversed(list(in_the_order_of_the_page())):
            installation.restart(host, only=programs)
            crowd.until_more_have_paid(4)
    crowd.when_the_patient_come_back()
    assert_settled(crowd)
    assert crowd.failures == []
    assert {status for status in crowd.answers if status >= 500} == set()
    # Messages of both releases were in flight.
    assert ("risk.assess",) in rows(stack, SENT, f"%{FIELD}%")


def in_the_order_of_the_page():
    """Yield hosts and the programs to restart on them: web, then services, and checkout last."""
    for host in ("web-1", "web-2"):
        yield host, PROGRAMS[host]
    for is_turn_of_checkout in (False, True):
        for host in ("services-1", "services-2"):
            yield host, [name for name in PROGRAMS[host] if is_checkout(name) == is_turn_of_checkout]


def is_checkout(program: str) -> bool:
    return program.partition("-")[0] == "checkout"
