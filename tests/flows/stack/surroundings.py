"""A stack whose web process reaches RabbitMQ and PostgreSQL through relays that a test can cut."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import requests

from checkout.tryout.shopper import Shopper
from tests.flows.stack.shopping import rows
from tests.support.program import Program
from tests.support.proxy import Proxy
from tests.support.stack import Stack
from tests.support.waiting import wait_until


@dataclass
class Surroundings:
    stack: Stack
    broker: Proxy
    database: Proxy

    def get(self, path: str) -> requests.Response:
        return requests.get(f"{self.stack.web_url}{path}", timeout=30)

    def until_committed(self, shopper: Shopper, type: str) -> None:
        """Wait until the web process has committed a command of this type for the shopper's payment."""
        query = "SELECT 1 FROM payments_outboxmessage WHERE type = %s AND subject = %s"
        wait_until(lambda: rows(self.stack, query, type, shopper.reference), f"{type} to be committed")

    async def back_to_normal(self) -> None:
        """Cut held connections, accept new ones, and wait until the web process is ready."""
        self.broker.cut()
        for relay in (self.broker, self.database):
            await relay.accept()
        await asyncio.to_thread(wait_until, self._is_ready, "web to be ready")

    def _is_ready(self) -> bool:
        return self.get("/readyz").ok


@contextmanager
def paused(program: Program) -> Iterator[None]:
    """Stop the process by SIGSTOP within the block, as a swapping machine would."""
    os.kill(program.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        if program.is_alive:
            os.kill(program.pid, signal.SIGCONT)
