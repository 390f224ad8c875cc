"""The SQLite file. Entries are appended and never changed, which the database itself enforces."""

import sqlite3
from pathlib import Path

VERSION = 3
SCHEMA = """
CREATE TABLE IF NOT EXISTS plan (
    id INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    wait TEXT NOT NULL,
    times INTEGER NOT NULL,
    order_code TEXT NOT NULL,
    kind TEXT NOT NULL,
    amount INTEGER NOT NULL,
    reference TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS entry (
    id INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    order_code TEXT NOT NULL,
    kind TEXT NOT NULL,
    amount INTEGER NOT NULL,
    reference TEXT NOT NULL,
    transaction_id TEXT,
    settles INTEGER UNIQUE REFERENCES plan (id),
    detail TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS entry_at ON entry (at);
CREATE INDEX IF NOT EXISTS entry_order ON entry (order_code);
CREATE INDEX IF NOT EXISTS entry_kind ON entry (kind, id);
CREATE INDEX IF NOT EXISTS entry_transaction ON entry (transaction_id) WHERE transaction_id IS NOT NULL;
CREATE UNIQUE INDEX IF NOT EXISTS entry_one_submission ON entry (order_code) WHERE kind = 'submitted';
CREATE TABLE IF NOT EXISTS notification (
    id INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    due REAL NOT NULL,
    plan TEXT NOT NULL,
    line TEXT NOT NULL,
    order_code TEXT NOT NULL,
    journal_type TEXT NOT NULL,
    content_type TEXT NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS notification_line ON notification (line, id);
CREATE INDEX IF NOT EXISTS notification_order ON notification (order_code);
CREATE TABLE IF NOT EXISTS delivery (
    id INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    notification INTEGER NOT NULL REFERENCES notification (id),
    answer TEXT NOT NULL,
    closed INTEGER NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS delivery_closed ON delivery (notification) WHERE closed;
CREATE INDEX IF NOT EXISTS delivery_notification ON delivery (notification);
CREATE TABLE IF NOT EXISTS answered_request (
    id INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    idempotency_key TEXT NOT NULL,
    request_sha256 TEXT NOT NULL,
    reply TEXT NOT NULL,
    machine TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS answered_request_key ON answered_request (idempotency_key, at);
CREATE TABLE IF NOT EXISTS token (
    id INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    token TEXT NOT NULL,
    valid_until TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS token_name ON token (token, id);
CREATE TABLE IF NOT EXISTS token_deleted (
    id INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    token INTEGER NOT NULL UNIQUE REFERENCES token (id)
);
CREATE TABLE IF NOT EXISTS incident (
    id INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    order_code TEXT NOT NULL,
    occasion TEXT NOT NULL,
    fault TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS incident_order ON incident (order_code);
"""
APPEND_ONLY = """
CREATE TRIGGER IF NOT EXISTS {table}_no_{verb} BEFORE {verb} ON {table}
BEGIN SELECT RAISE(ABORT, 'the books are append-only'); END;
"""
TABLES = (
    "plan",
    "entry",
    "notification",
    "delivery",
    "answered_request",
    "token",
    "token_deleted",
    "incident",
)


class UnusableBooks(Exception):
    """The file cannot be used for the books. The text says why."""


def open_storage(file: Path) -> sqlite3.Connection:
    """Return a connection for one thread. `with connection:` is one transaction, on disk when it ends.

    Raises UnusableBooks for the books of another version of the sandbox, and for any other kind of file.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        return _open(file)
    except (OSError, sqlite3.Error) as error:
        raise UnusableBooks(f"{file} cannot be used: {error}") from error


def _open(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(file)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (is_used,) = connection.execute("SELECT EXISTS (SELECT 1 FROM sqlite_master)").fetchone()
    if is_used and version != VERSION:
        connection.close()
        raise UnusableBooks(f"{file} has the books of another version of the sandbox: name another file")
    connection.execute(f"PRAGMA user_version={VERSION}")
    connection.executescript(SCHEMA)
    for table in TABLES:
        for verb in ("UPDATE", "DELETE"):
            connection.executescript(APPEND_ONLY.format(table=table, verb=verb))
    return connection
