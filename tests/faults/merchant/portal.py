"""A user of the provider's portal, who captures, refunds and cancels there without the gateway."""

import asyncio
from random import Random

import aiohttp
import requests

from tests.faults.merchant.errands import Order
from tests.faults.merchant.requester import LOOK_SECONDS, Patience
from tests.faults.provider_books import Order as Booked, read_orders
from tests.faults.recorder import Recorder

# The share of paid payments with which this person does something, if the provider permits that.
WORKS = 0.3
# The trait of orders whose provider accepts larger sums than there are, which would be a mistake of the
# person.
BOUNDLESS = "no_ceiling"
MOST_ATTEMPTS = 4
LOOKS = 20


class PortalUser:
    """A person with access to the provider's portal, for which the sandbox's scenarios stand."""

    def __init__(
        self, session: aiohttp.ClientSession, sandbox_url: str, recorder: Recorder, patience: Patience
    ) -> None:
        self._session = session
        self._sandbox_url = sandbox_url
        self._recorder = recorder
        self._patience = patience

    async def run_errand(self, order: Order, random: Random) -> None:
        """Make one movement of a paid payment, whatever others do with it at the same time."""
        for _ in range(LOOKS):
            await self._patience.pause(random.uniform(0, 2 * LOOK_SECONDS))
            booked = await asyncio.to_thread(self._booked, order.reference)
            if booked is None or BOUNDLESS in booked.traits:
                return
            if order.is_manual or booked.captured:
                await self._act(order, booked, random)
                return

    async def _act(self, order: Order, booked: Booked, random: Random) -> None:
        if not order.is_manual:
            left = booked.captured - booked.refund_requested - booked.charged_back
            await self._do(order.reference, booked, "refund", _part_of(left, random))
        elif random.random() < 0.3:
            await self._do(order.reference, booked, "cancel", None)
        else:
            left = order.amount.minor - booked.capture_requested
            await self._do(order.reference, booked, "capture", _part_of(left, random))

    async def _do(self, reference: str, booked: Booked, what: str, minor: int | None) -> None:
        if minor is not None and minor <= 0:
            return
        step = {"order": booked.code, "do": what, "amount": minor}
        url = f"{self._sandbox_url}/scenarios/"
        # Noted before it is done, because the merchant's errands may coincide with it at any moment.
        self._recorder.used_portal.add(reference)
        async with self._session.post(url, json={"portal": step}) as response:
            # The provider answers 400 if the amount is too large, or the request comes too late.
            if response.status != 400:
                response.raise_for_status()

    def _booked(self, reference: str) -> Booked | None:
        """Return the order that holds money, or from which money was captured."""
        for number in range(1, MOST_ATTEMPTS + 1):
            try:
                found = list(read_orders(self._sandbox_url, {}, order=f"{reference}-{number}"))
            except requests.RequestException:
                return None
            if found and found[0].authorised > found[0].cancelled:
                return found[0]
        return None


def _part_of(minor: int, random: Random) -> int:
    return minor if minor <= 1 or random.random() < 0.5 else random.randint(1, minor)
