"""A write that a fenced primary accepts is found by the campaign."""

import psycopg
import pytest

from tests.database.conftest import pair
from tests.faults.injectors.standby import WRITTEN, clock_of, strays
from tests.support.standby import Pair

__all__ = ["pair"]

pytestmark = [pytest.mark.postgresql, pytest.mark.slow]

# A program that writes in spite of the fence, and does not wait for a standby that has left.
SABOTAGE = (
    "SET default_transaction_read_only = off",
    "SET synchronous_commit = local",
    "INSERT INTO payments_payment VALUES (2)",
)


def test_a_write_on_a_fenced_primary_is_refused_and_if_it_is_forced_the_campaign_finds_it(pair: Pair) -> None:
    for table in WRITTEN:
        pair.primary.run(f"CREATE TABLE {table} (id int)")
        pair.primary.run(f"INSERT INTO {table} VALUES (1)")  # noqa: S608
    former = pair.primary
    pair.fence()
    fenced_at = clock_of(former)
    pair.promote()
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        former.run("INSERT INTO payments_payment VALUES (2)")
    pair.primary.run("INSERT INTO payments_payment VALUES (3)")
    assert strays(former, fenced_at) == []
    with psycopg.connect(former.url, autocommit=True) as saboteur:
        for statement in SABOTAGE:
            saboteur.execute(statement)
    assert strays(former, fenced_at) == ["the fenced primary took 1 rows of payments_payment"]


def test_a_replaced_server_can_take_over_in_its_turn(pair: Pair) -> None:
    pair.primary.run("CREATE TABLE notes (number int)")
    for _ in range(2):
        pair.primary.kill()
        pair.promote()
        pair.primary.run("INSERT INTO notes VALUES (1)")
        pair.make_anew()
    assert pair.primary.run("SELECT count(*) FROM notes") == [(2,)]
