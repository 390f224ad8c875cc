"""Secrets are looked for in every table."""

import psycopg
import pytest

from tests.faults.secrets import content_of_table
from tests.support.databases import database

PARTS = """
    CREATE TABLE letter (text text, month int) PARTITION BY RANGE (month);
    CREATE TABLE letter_of_may PARTITION OF letter FOR VALUES FROM (5) TO (6);
    INSERT INTO letter VALUES ('4444333322221111', 5)"""


@pytest.mark.postgresql
@pytest.mark.parametrize("table", ["letter", "letter_of_may"])
def test_a_table_that_has_parts_is_read_as_well(table: str) -> None:
    with database() as url:
        with psycopg.connect(url) as connection:
            connection.execute(PARTS)
        assert b"".join(content_of_table(url, table)) == b"4444333322221111\t5\n"
