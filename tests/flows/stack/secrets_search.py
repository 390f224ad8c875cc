"""A search for card data in everything that a stack has stored, logged or published."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pika
import psycopg
from pika.adapters.blocking_connection import BlockingChannel
from psycopg import sql

from tests.flows.stack.quiet import TABLES
from tests.flows.stack.shopping import NotedCard
from tests.support.program import ROOT
from tests.support.stack import SERVICES, Stack
from tests.support.vhosts import broker_folder

MAIL = ROOT / ".local" / "mail"
EVENTS = "eavesdropper"
UNDER_WAY = "wiretap"
DISK = "the broker's disk"
DEAD = "checkout.dead"
# Long enough not to occur by chance, short enough to find truncated data.
PIECE = 32


# The second seal cannot be opened without a key, but only messages to the payments service may have it.
SECOND_SEAL = "a card under its second seal"


@dataclass
class Secrets:
    """The data to search for: card numbers in any notation, labelled security codes, and sealed cards."""

    patterns: dict[str, re.Pattern[str]] = field(
        default_factory=lambda: {SECOND_SEAL: re.compile(r"seal1\.\w")}
    )
    pieces: dict[str, str] = field(default_factory=dict)

    def add_number(self, number: str) -> None:
        self.patterns[f"card number {number}"] = re.compile(r"[\s.,_+-]{0,2}".join(number))

    def add_card(self, card: NotedCard) -> None:
        self.add_number(card.number)
        named = rf"(?i)(cvc|cvv|csc|security.?code)\W{{0,8}}{card.cvc}\b"
        self.patterns[f"security code {card.cvc}"] = re.compile(named)
        for sealed in card.made:
            # Without the first part, which is the same for every card.
            for part in sealed.split(".")[1:]:
                for start in range(0, max(len(part) - PIECE, 1), PIECE):
                    self.pieces[part[start : start + PIECE]] = f"sealed card …{part[start : start + 8]}…"

    def found_in(self, text: str) -> set[str]:
        found = {name for name, pattern in self.patterns.items() if pattern.search(text)}
        return found | {name for piece, name in self.pieces.items() if piece in text}


def eavesdrop(stack: Stack) -> None:
    """From now on, copy every event, and every command and reply between services, to two queues."""
    with pika.BlockingConnection(pika.URLParameters(stack.broker_url)) as connection:
        channel = connection.channel()
        channel.queue_declare(EVENTS, durable=True)
        channel.queue_bind(EVENTS, "checkout.events", "#")
        channel.queue_declare(UNDER_WAY, durable=True)
        for service in SERVICES:
            channel.queue_bind(UNDER_WAY, "checkout.commands", service)
        channel.queue_bind(UNDER_WAY, "checkout.replies", "checkout.replies.saga")


def written_by(stack: Stack) -> dict[str, str]:
    """Return the texts to search, by place."""
    places = {f"log of {name}": program.text() for name, program in stack.programs.items()}
    places |= {f"table {table}": text for table, text in _tables(stack.database_url)}
    with pika.BlockingConnection(pika.URLParameters(stack.broker_url)) as connection:
        for queue in (EVENTS, DEAD):
            places[f"queue {queue}"] = "\n".join(_messages(connection.channel(), queue))
    return places | {"mail": "\n".join(_texts(MAIL))}


def under_way(stack: Stack) -> dict[str, str]:
    """Return the messages to services and, if the broker is on this machine, the content of its disk."""
    with pika.BlockingConnection(pika.URLParameters(stack.broker_url)) as connection:
        places = {f"queue {UNDER_WAY}": "\n".join(_messages(connection.channel(), UNDER_WAY))}
    folder = broker_folder()
    if os.access(folder, os.R_OK):
        files = (path for path in folder.rglob("*") if path.is_file())
        places[DISK] = "\n".join(path.read_bytes().decode("latin-1") for path in files)
    return places


def _tables(database_url: str) -> Iterator[tuple[str, str]]:
    """Yield the rows of every table as text, with all columns whatever their type."""
    with psycopg.connect(database_url) as connection:
        for (table,) in connection.execute(TABLES).fetchall():
            query = sql.SQL("SELECT row::text FROM {} AS row").format(sql.Identifier(table))
            yield table, "\n".join(text for (text,) in connection.execute(query))


def _messages(channel: BlockingChannel, queue: str) -> Iterator[str]:
    """Yield properties, headers and bodies. Messages stay in the queue, as none is acknowledged."""
    while True:
        method, properties, body = channel.basic_get(queue)
        if method is None:
            return
        yield f"{method} {properties} {(body or b'').decode(errors='replace')}"


def _texts(folder: Path) -> Iterator[str]:
    yield from (path.read_text(errors="replace") for path in folder.glob("*.log"))
