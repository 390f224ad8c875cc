"""Checks, during the faults, of invariants that must hold at every moment."""

import asyncio
import contextlib
import time
from dataclasses import dataclass, field
from functools import partial

import aiohttp
import psycopg

from tests.faults.invariants import Violation, released_text
from tests.faults.money_invariants import over_limits
from tests.faults.provider_books import order_of
from tests.faults.site import Site

LOOK_SECONDS = 5.0
UNBALANCED = """
    SELECT payment_reference, posting, sum(amount_minor) FROM ledger_ledgerentry
    WHERE posted_at > now() - interval '1 minute'
    GROUP BY payment_reference, posting HAVING sum(amount_minor) <> 0"""


@dataclass
class Watch:
    """A check of `violations` of I2 at the provider, I4 in the stock and I5 in the ledger."""

    site: Site
    session: aiohttp.ClientSession
    violations: set[Violation] = field(default_factory=set)
    looks: int = 0

    async def run(self) -> None:
        """Check regularly until cancelled."""
        since = time.time()
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            began = time.time()
            # If a check fails because of a fault, the next one covers its period, too.
            with contextlib.suppress(aiohttp.ClientError, TimeoutError, psycopg.Error):
                await self._look(since)
                since = began - 1
                self.looks += 1

    async def _look(self, since: float) -> None:
        async with self.session.get(
            f"{self.site.stack.sandbox_url}/books.json",
            params={"since": str(since), "brief": "1", "limit": "5000"},
        ) as response:
            page = await response.json()
        for order in page["orders"]:
            for text in over_limits(order_of(order)):
                self.violations.add(Violation("I2", order["order_code"].rpartition("-")[0], text))
        sums = await asyncio.to_thread(partial(self.site.databases.rows, UNBALANCED, of="ledger"))
        for payment, posting, total in sums:
            self.violations.add(Violation("I5", payment, f"posting {posting} adds up to {total}"))
        for payment, attempt in await asyncio.to_thread(self.site.databases.taken_away):
            self.violations.add(Violation("I4", payment, released_text(attempt)))
