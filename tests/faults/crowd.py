"""All shoppers of a campaign, with the start and duration of each purchase."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random

import aiohttp

from tests.faults import habits
from tests.faults.client import Client, Gates
from tests.faults.merchant.cards import CUSTOMERS, CardKeeper
from tests.faults.merchant.errands import Merchant, Order
from tests.faults.merchant.portal import WORKS, PortalUser
from tests.faults.recorder import Recorder, now
from tests.faults.shopper import Lost, Shopper, Stopped

# The share of payments that begin in the example shop. The others are created by the merchant's server.
FROM_THE_SHOP = 0.25
# The share of those payments whose customer may save the card.
OF_CUSTOMERS = 0.4


@dataclass
class Crowd:
    """The shoppers. `began` and `seconds` map payments to the start and duration of their purchases."""

    group: asyncio.TaskGroup
    session: aiohttp.ClientSession
    gateway: str
    sealed: Mapping[str, str]
    recorder: Recorder
    merchant: Merchant
    cards: CardKeeper
    portal: PortalUser
    seed: int
    stop: asyncio.Event
    at_once: int
    started: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    began: dict[str, float] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    _gates: Gates = field(default_factory=Gates)
    _present: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def present(self) -> int:
        return len(self._present)

    @property
    def gone(self) -> int:
        return self.started - self.present

    async def send_in(self, count: int) -> None:
        """Start `count` more shoppers, each as soon as fewer than `at_once` are there."""
        for _ in range(count):
            while not await self.send_one_in():
                pass

    async def send_one_in(self) -> bool:
        """Start one shopper. Return False if there were still too many after a second."""
        if self.present >= self.at_once:
            await asyncio.wait(self._present, timeout=1, return_when=asyncio.FIRST_COMPLETED)
        if self.present >= self.at_once:
            return False
        task = self.group.create_task(self._purchase(self.started))
        self.started += 1
        self._present.add(task)
        task.add_done_callback(self._present.discard)
        # Let this shopper send a first request before the next one starts.
        await asyncio.sleep(0)
        return True

    async def thin_out(self, seconds: float) -> None:
        """Wait until all shoppers have left, for so many seconds at most."""
        if self._present:
            await asyncio.wait(self._present, timeout=seconds)

    async def leave(self, seconds: float) -> None:
        """Wait until all shoppers have left. After `seconds` those who still wait give up."""
        await self.thin_out(seconds)
        self.stop.set()
        if self._present:
            await asyncio.wait(self._present)

    async def _purchase(self, number: int) -> None:
        random = Random(f"{self.seed}:{number}")  # noqa: S311 (repeatable by design)
        habit = habits.draw(random)
        self.kinds[habit.kind] += 1
        client = Client(self.session, self.gateway, self.recorder, self._gates)
        order: Order | None = None
        if random.random() >= FROM_THE_SHOP:
            customer = random.choice(CUSTOMERS) if random.random() < OF_CUSTOMERS else ""
            order = await self.merchant.create(f"campaign-{self.seed}-{number}", customer, random)
            if order is None:
                return
            client.payment = order.reference
        amount = order.amount if order else None
        entrance = await self.cards.entrance(order) if order and order.customer else ""
        shopper = Shopper(client, habit, self.sealed, random, self.stop, amount, entrance)
        began = now()
        try:
            await shopper.buy()
        except Stopped:
            return
        except Lost as lost:
            self.lost.append(f"{client.payment}: {lost}")
            return
        finally:
            self.began[client.payment] = began
        self.seconds[client.payment] = now() - began
        if order is not None and shopper.is_paid:
            errands = [self.merchant.run_errand(order, random)]
            if random.random() < WORKS:
                errands.append(self.portal.run_errand(order, random))
            await asyncio.gather(*errands)
        if order is not None and order.customer:
            await self.cards.run_errand(order, random, self.merchant.run_errand)
