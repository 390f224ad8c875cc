"""Replies stored by `Idempotency-Key`, so that a repeated request gets the first answer."""

import hashlib
import sqlite3
import time
from dataclasses import dataclass
from uuid import UUID

from sandbox.clock import Clock
from sandbox.configuration import Configuration
from sandbox.errors import RequestRefused


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply with the cookies of its machine, as a `Cookie` header (empty if there are none)."""

    body: bytes
    machine: str = ""


class AnsweredRequests:
    def __init__(self, connection: sqlite3.Connection, configuration: Configuration, clock: Clock) -> None:
        self._connection = connection
        self._configuration = configuration
        self._clock = clock

    def check(self, key: str) -> None:
        """Check an idempotency key. Raises RequestRefused (9) if the account's arrangement forbids it."""
        if self._configuration.idempotency == "off":
            raise RequestRefused(
                9, "Service not enabled: Idempotent requests are not enabled for this customer"
            )
        if self._configuration.idempotency == "uuid" and not _is_uuid(key):
            raise RequestRefused(9, "Invalid Idempotency-Key: the key must be a UUID")

    def recall(self, key: str, request: bytes) -> Answer | None:
        """Return the earlier answer, or None. Raises RequestRefused (9) if another request had the key."""
        lifetime = self._clock.seconds(self._configuration.idempotency_lifetime_seconds)
        row = self._connection.execute(
            "SELECT request_sha256, reply, machine FROM answered_request"
            " WHERE idempotency_key = ? AND at > ? ORDER BY at DESC LIMIT 1",
            (key, time.time() - lifetime),
        ).fetchone()
        if row is None:
            return None
        if row["request_sha256"] != hashlib.sha256(request).hexdigest():
            raise RequestRefused(9, "Idempotency-Key was used for a different transaction")
        return Answer(row["reply"].encode(), row["machine"])

    def keep(self, key: str, request: bytes, answer: Answer) -> None:
        self._connection.execute(
            "INSERT INTO answered_request (at, idempotency_key, request_sha256, reply, machine)"
            " VALUES (?, ?, ?, ?, ?)",
            (time.time(), key, hashlib.sha256(request).hexdigest(), answer.body.decode(), answer.machine),
        )


def _is_uuid(key: str) -> bool:
    try:
        return str(UUID(key)) == key.lower()
    except ValueError:
        return False
