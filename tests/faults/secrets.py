"""A search for card data in all files and tables that a campaign has written."""

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from checkout.tryout.card import Card
from tests.faults.databases import rows_at
from tests.faults.site import Site

TABLES = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1"
CHUNK_BYTES = 4_000_000
# Long enough not to occur by chance, short enough to find truncated data.
PIECE = 24


class Secrets:
    """The data to search for: card numbers in any notation, labelled security codes, and sealed cards."""

    def __init__(self, card: Card, sealed: Iterable[str]) -> None:
        self._patterns = {
            "a card number": re.compile(r"[\s.,_+-]{0,2}".join(card.number).encode()),
            "a security code": re.compile(rf"(?i)(cvc|cvv|csc|security.?code)\W{{0,8}}{card.cvc}\b".encode()),
        }
        # Without the first part, which is the same for every sealed card.
        self._pieces = {part[:PIECE].encode() for text in sealed for part in text.split(".")[1:]}

    def found_in(self, text: bytes) -> set[str]:
        found = {name for name, pattern in self._patterns.items() if pattern.search(text)}
        return found | {"a sealed card" for piece in self._pieces if piece in text}


def search(site: Site, secrets: Secrets) -> Iterator[str]:
    """Yield a text for each kind of secret that was found, with the place."""
    for place, chunks in _places(site).items():
        found: set[str] = set()
        for chunk in chunks:
            found |= secrets.found_in(chunk)
        for name in sorted(found):
            yield f"{name} in {place}"


def _places(site: Site) -> Mapping[str, Iterable[bytes]]:
    places: dict[str, Iterable[bytes]] = {
        f"the log of {program.name}": _in_chunks(program.log.open("rb"))
        for program in (*site.programs.values(), site.listener.program)
        if program.log.exists()
    }
    places["the broker's disk"] = _in_chunks(_contents(site.rabbitmq.folder))
    for url in site.databases.addresses:
        for (table,) in rows_at(url, TABLES):
            places[f"table {table} of {urlsplit(url).path}"] = content_of_table(url, table)
    return places


def _contents(folder: Path) -> Iterator[bytes]:
    """Yield the lines of all files of a running server, skipping files that disappear meanwhile."""
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError), path.open("rb") as file:
            yield from file


def content_of_table(database_url: str, table: str) -> Iterator[bytes]:
    """Yield every row as text, with all columns whatever their type."""
    with psycopg.connect(database_url) as connection, connection.cursor() as cursor:
        query = sql.SQL("COPY (TABLE {}) TO STDOUT").format(sql.Identifier(table))
        with cursor.copy(query) as copy:
            yield from _in_chunks(bytes(block) for block in copy)


def _in_chunks(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Join blocks to large chunks that end at the end of a line or row."""
    chunk: list[bytes] = []
    size = 0
    for block in blocks:
        chunk.append(block)
        size += len(block)
        if size > CHUNK_BYTES:
            yield b"".join(chunk)
            chunk, size = [], 0
    yield b"".join(chunk)
