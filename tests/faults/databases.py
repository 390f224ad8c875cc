"""The databases of a campaign's gateway: one for everything, or five."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from tests.support.databases import OWNERS, variable_of

# Releases of stock are recorded at once, because a later confirmation reserves the stock again.
RECORD_RELEASES = """
    CREATE TABLE released_stock (payment_reference text, attempt text);
    CREATE FUNCTION record_release() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO released_stock VALUES (OLD.payment_reference, OLD.attempt);
        RETURN NULL;
    END
    $$;
    CREATE TRIGGER release_is_recorded AFTER UPDATE OF state ON orders_reservation
        FOR EACH ROW WHEN (OLD.state <> 'released' AND NEW.state = 'released')
        EXECUTE FUNCTION record_release()"""
RELEASED = "SELECT DISTINCT payment_reference, attempt FROM released_stock WHERE attempt <> ''"
ERASED = """
    SELECT reference FROM payments_fact fact JOIN payments_payment payment ON payment.id = payment_id
    WHERE kind = 'personal_data_erased'"""
RELEASES = "SELECT subject, body FROM payments_outboxmessage WHERE type = 'orders.release'"
LAST_OWED = "SELECT coalesce(max(id), 0) FROM payments_outboxmessage"
HANDLED = "SELECT message_id FROM payments_inboxmessage"


@dataclass(frozen=True)
class Databases:
    """The addresses of the default database, and of those that single apps have."""

    default: str
    own: Mapping[str, str] = field(default_factory=dict)

    def of(self, app: str) -> str:
        """Return the address of the database with an app's tables."""
        return self.own.get(app, self.default)

    @property
    def addresses(self) -> list[str]:
        return [self.default, *self.own.values()]

    def through(self, link: str) -> "Databases":
        """Return the same databases at the server that `link` leads to."""
        return Databases(link, {app: _another(link, urlsplit(url).path) for app, url in self.own.items()})

    @property
    def environment(self) -> dict[str, str]:
        own = {variable_of(app): url for app, url in self.own.items()}
        return {"DATABASE_URL": self.default, **own}

    def rows(self, query: str, *parameters: object, of: str = "") -> list[tuple[Any, ...]]:
        """Run a statement on the database of an app, and return the rows, if any."""
        return rows_at(self.of(of), query, *parameters)

    def everywhere(self, query: str, *parameters: object) -> Iterator[tuple[Any, ...]]:
        """Run a query on each database, one after the other."""
        for url in self.addresses:
            yield from rows_at(url, query, *parameters)

    def last_owed(self) -> dict[str, int]:
        """Return the id of the last outbox message of each database."""
        return {url: rows_at(url, LAST_OWED)[0][0] for url in self.addresses}

    def handled(self) -> set[str]:
        """Return the ids of all messages that any service has handled."""
        return {message_id for (message_id,) in self.everywhere(HANDLED)}

    def taken_away(self) -> list[tuple[str, str]]:
        """Return payments and attempts whose stock was released, though no command released that attempt.

        When a payment is erased, its commands are deleted with all of its messages.
        """
        # In this order, because a command is written before its effect, and deleted when its payment is
        # erased.
        released = self.rows(RELEASED, of="orders")
        bodies: dict[str, list[str]] = {}
        for payment, body in self.rows(RELEASES):
            bodies.setdefault(payment, []).append(body)
        erased = {payment for (payment,) in self.rows(ERASED)}
        return [
            (payment, attempt)
            for payment, attempt in released
            if payment not in erased and not any(f'"{attempt}"' in body for body in bodies.get(payment, ()))
        ]


def rows_at(url: str, query: str, *parameters: object) -> list[tuple[Any, ...]]:
    """Run a statement on a new connection, and return the rows, if any."""
    with psycopg.connect(url, autocommit=True, connect_timeout=5) as connection:
        cursor = connection.execute(query.encode(), parameters or None)
        return cursor.fetchall() if cursor.description else []


def databases_on(url: str, number: int) -> Databases:
    """Return the server's database or, if `number` is 5, that one and four that are created."""
    if number == 1:
        return Databases(url)
    own = {app: _another(url, f"/{app}") for app in OWNERS}
    with psycopg.connect(url, autocommit=True) as connection:
        for app in own:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(app)))
    return Databases(url, own)


def _another(url: str, path: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=path))
