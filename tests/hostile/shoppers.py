"""Shoppers who make one payment after another, and the recorded times of the gateway's answers."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from random import Random

import aiohttp

from tests.faults import habits
from tests.faults.client import Client, Gates
from tests.faults.habits import Habits
from tests.faults.merchant.errands import Merchant
from tests.faults.recorder import Recorder
from tests.faults.shopper import Lost, Shopper, Stopped

# The percentage of each kind. Purchases of these kinds end soon, and none needs staff.
KINDS = {
    Habits("frictionless"): 50,
    Habits("challenge passed", (habits.CHALLENGED,)): 35,
    Habits("refused", (habits.EMPTY,)): 15,
}
PAUSE_SECONDS = 0.5


@dataclass
class Shoppers:
    """The shoppers. `paid` lists the payments that they saw as paid, in that order."""

    session: aiohttp.ClientSession
    gateway: str
    sealed: Mapping[str, str]
    recorder: Recorder
    merchant: Merchant
    random: Random
    stop: asyncio.Event
    paid: list[str] = field(default_factory=list)
    finished: int = 0
    lost: list[str] = field(default_factory=list)
    _numbers: "count[int]" = field(default_factory=count)
    _gates: Gates = field(default_factory=Gates)

    async def pay(self) -> None:
        """Act as one shopper after another until the run ends."""
        while not self.stop.is_set():
            await self._purchase()
            await asyncio.sleep(PAUSE_SECONDS * self.random.uniform(0.5, 1.5))

    async def _purchase(self) -> None:
        client = Client(self.session, self.gateway, self.recorder, self._gates)
        order = await self.merchant.create(f"hostile-{next(self._numbers)}", "", self.random)
        if order is None:
            return
        client.payment = order.reference
        [habit] = self.random.choices(list(KINDS), list(KINDS.values()))
        shopper = Shopper(client, habit, self.sealed, self.random, self.stop, order.amount)
        try:
            await shopper.buy()
        except Stopped:
            return
        except Lost as lost:
            self.lost.append(f"{client.payment}: {lost}")
            return
        self.finished += 1
        if shopper.is_paid and not order.is_manual:
            self.paid.append(order.reference)
