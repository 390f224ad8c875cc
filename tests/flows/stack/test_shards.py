"""Two shards: each has its merchants, a virtual host and a database of its own (docs/scaling.md)."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

import psycopg
import pytest
import requests
from psycopg import sql

from tests.flows.stack.shopping import paid_once, rows, shopper_at
from tests.support.databases import database
from tests.support.stack import Stack
from tests.support.vhosts import fresh_vhost
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.rabbitmq, pytest.mark.postgresql, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory, migrated_template: str) -> Iterator[list[Stack]]:
    with ExitStack() as closing:
        yield [
            closing.enter_context(
                Stack(
                    tmp_path_factory.mktemp(name),
                    broker_url=closing.enter_context(fresh_vhost()),
                    database_url=closing.enter_context(database(migrated_template)),
                    environment={"CHECKOUT_DATABASE_SECONDS": "2"},
                )
            )
            for name in ("first", "second")
        ]


@contextmanager
def away(stack: Stack) -> Iterator[None]:
    """Let no client reach the stack's database. Other databases of the server are not affected."""
    name = urlsplit(stack.database_url).path.removeprefix("/")
    server = urlsplit(stack.database_url)._replace(path="/postgres").geturl()
    allow = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
    with psycopg.connect(server, autocommit=True) as operator:
        operator.execute(allow.format(sql.Identifier(name), sql.SQL("false")))
        operator.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        yield
        operator.execute(allow.format(sql.Identifier(name), sql.SQL("true")))


def test_each_shard_has_the_payments_of_its_own_merchants(shards: list[Stack]):
    shoppers = [shopper_at(stack) for stack in shards]
    for shopper in shoppers:
        shopper.pay(shopper.order())
    for stack, shopper, other in zip(shards, shoppers, reversed(shoppers), strict=True):
        paid_once(stack, shopper)
        known = rows(stack, "SELECT reference FROM payments_payment")
        assert (shopper.reference,) in known
        assert (other.reference,) not in known


def test_shoppers_of_one_shard_pay_while_the_database_of_the_other_is_away(shards: list[Stack]):
    lost, other = shards
    with away(lost):
        refused = requests.get(f"{lost.web_url}/readyz", timeout=20)
        assert refused.status_code == 503
        shopper = shopper_at(other)
        shopper.pay(shopper.order())
        paid_once(other, shopper)
    wait_until(lambda: requests.get(f"{lost.web_url}/readyz", timeout=20).ok, "the database", seconds=60)
    shopper = shopper_at(lost)
    shopper.pay(shopper.order())
    paid_once(lost, shopper)
