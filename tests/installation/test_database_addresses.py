"""The addresses of databases: several servers, databases of their own, and a replica."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from payments_gateway.databases import database
from payments_gateway.environment import Environment

PASSWORD = "pa55word-of-the-database"


def environment(**variables: str) -> Environment:
    return Environment(**variables)


def test_an_app_has_a_database_of_its_own_only_if_one_is_named():
    assert list(environment(DATABASE_URL="postgres://a/b").database_urls) == ["default"]
    named = environment(DATABASE_URL="postgres://a/b", LEDGER_DATABASE_URL="postgres://a/ledger")
    assert named.database_urls == {"default": "postgres://a/b", "ledger": "postgres://a/ledger"}


def test_one_database_has_one_name():
    """Under two names, one database would be migrated twice, and its outbox read twice."""
    with pytest.raises(ValidationError, match="two of the databases have the same address") as refused:
        environment(
            RISK_DATABASE_URL="postgres://a:secret@b/c", ORDERS_DATABASE_URL="postgres://a:secret@b/c"
        )
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("postgres://a:secret@b/c", "postgresql://a:secret@b/c"),
        ("postgres://a:secret@b/c", "postgres://another:role@b/c"),
        ("postgres://a@b/c", "postgres://a@B:5432/c?sslmode=require"),
        ("postgres://a@localhost/c", "postgres://a@127.0.0.1/c"),
        ("postgres://a@one,two/c", "postgres://a@two,one/c"),
        ("postgres://a@one,two:5433/c", "postgres://a@two:5433/c"),
        ("sqlite:///db.sqlite3", "sqlite:///folder/../db.sqlite3"),
        ("sqlite:///db.sqlite3", f"sqlite:///{Path.cwd()}/db.sqlite3"),
    ],
)
def test_one_database_under_two_addresses_is_still_one(one, other):
    with pytest.raises(ValidationError, match="two of the databases have the same address"):
        environment(DATABASE_URL=one, RISK_DATABASE_URL=other)


@pytest.mark.parametrize("other", ["postgres://a@b/d", "postgres://a@c/c", "postgres://a@b:5433/c"])
def test_databases_that_differ_by_name_host_or_port_are_two(other):
    assert len(environment(DATABASE_URL="postgres://a@b/c", RISK_DATABASE_URL=other).database_urls) == 2


@pytest.mark.parametrize(
    ("primary", "replica"),
    [
        ("postgres://a/b", "sqlite:///replica.sqlite3"),
        ("sqlite:///db.sqlite3", "postgres://a/b"),
        ("postgres://a/b", "no address"),
        ("postgres://a/b", f"postgres://web:{PASSWORD}@a,/b"),
    ],
)
def test_a_replica_needs_an_address_of_postgresql_and_a_primary_too(primary, replica):
    with pytest.raises(ValidationError) as refused:
        environment(DATABASE_URL=primary, DATABASE_REPLICA_URL=replica)
    assert PASSWORD not in str(refused.value)


def test_a_replica_may_be_one_of_the_servers_of_its_primary():
    named = environment(DATABASE_URL="postgres://a,b/c", DATABASE_REPLICA_URL="postgres://b/c")
    assert list(named.database_urls) == ["default"]


def test_a_database_has_the_servers_that_its_address_names_each_with_its_port():
    env = environment(DATABASE_URL="postgres://a:s%40crt@one,two:5433/c?sslmode=require")
    [url] = env.database_urls.values()
    made = database(url, env)
    assert (made["HOST"], made["PORT"], made["PASSWORD"]) == ("one,two", "5432,5433", "s@crt")
    assert made["OPTIONS"]["target_session_attrs"] == "read-write"
    assert made["OPTIONS"]["sslmode"] == "require"
    # A silent server must leave time for the next one, before those who wait for a connection give up.
    assert 2 * made["OPTIONS"]["connect_timeout"] < made["OPTIONS"]["pool"]["timeout"]


def test_an_address_may_say_which_of_its_servers_are_used():
    env = environment(DATABASE_URL="postgres://a@one,two/c?target_session_attrs=any&connect_timeout=1")
    [url] = env.database_urls.values()
    options = database(url, env)["OPTIONS"]
    assert (options["target_session_attrs"], options["connect_timeout"]) == ("any", 1)


def test_a_single_server_may_be_of_any_kind():
    env = environment(DATABASE_URL="postgres://a@one/c")
    [url] = env.database_urls.values()
    assert "target_session_attrs" not in database(url, env)["OPTIONS"]


@pytest.mark.parametrize("hosts", ["one,,two", "one,two:port", "one,", ",two"])
def test_an_address_with_a_missing_host_or_a_port_that_is_no_number_is_refused(hosts):
    with pytest.raises(ValidationError) as refused:
        environment(DATABASE_URL=f"postgres://a:secret@{hosts}/c")
    assert "secret" not in str(refused.value)


def test_the_connections_to_each_database_are_bounded():
    env = environment(
        DATABASE_URL="postgres://a/b", LEDGER_DATABASE_URL="postgres://c/d", CHECKOUT_DATABASE_POOL_SIZE="3"
    )
    for url in env.database_urls.values():
        assert database(url, env)["OPTIONS"]["pool"]["max_size"] == 3


def test_a_variable_that_is_empty_counts_as_not_set(monkeypatch):
    """The tests without servers are run with empty addresses."""
    monkeypatch.setenv("DATABASE_URL", "")
    assert Environment().database_urls == {"default": "sqlite:///db.sqlite3"}
