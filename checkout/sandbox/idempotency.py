"""Replies kept by `Idempotency-Key`, so that a repeated request gets the first answer."""

import hashlib
import sqlite3
from dataclasses import dataclass

from checkout.sandbox.acquirer import RequestRefused


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply and the machine cookie that goes with it (empty: none)."""

    body: bytes
    machine: str = ""


class AnsweredRequests:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def recall(self, key: str, request: bytes) -> Answer | None:
        """The answer given before. Raises RequestRefused (9) when the key was used for another request."""
        row = self._connection.execute(
            "SELECT request_sha256, reply, machine FROM answered_request WHERE idempotency_key = ?", (key,)
        ).fetchone()
        if row is None:
            return None
        if row["request_sha256"] != hashlib.sha256(request).hexdigest():
            raise RequestRefused(9, "Idempotency-Key was used for a different transaction")
        return Answer(row["reply"].encode(), row["machine"])

    def keep(self, key: str, request: bytes, answer: Answer) -> None:
        self._connection.execute(
            "INSERT INTO answered_request (idempotency_key, request_sha256, reply, machine)"
            " VALUES (?, ?, ?, ?)",
            (key, hashlib.sha256(request).hexdigest(), answer.body.decode(), answer.machine),
        )
