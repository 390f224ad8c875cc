"""A shopper, timed while buying one thing with a card that needs no challenge."""

import time
from dataclasses import dataclass
from urllib.parse import urljoin

import aiohttp

from benchmarks.systems import BenchmarkError
from checkout.tryout.card import Card
from checkout.tryout.scenarios import FRICTIONLESS
from tests.faults.pages import device_data_session, form_to

BROWSER = {
    "browser_language": "en-GB",
    "browser_colour_depth": "24",
    "browser_screen_height": "1080",
    "browser_screen_width": "1920",
    "browser_time_zone": "0",
    "browser_javascript_enabled": "true",
}
SKUS = ("TEA-100", "MUG-350", "FAN-210", "BAG-040")


@dataclass(frozen=True)
class Purchase:
    """A visit from `began` to `ended`. `pay_seconds` is the time from sending the card to the answer."""

    reference: str
    began: float
    ended: float
    pay_seconds: float


class Shoppers:
    """Shoppers who share connections. Each visit has cookies of its own."""

    def __init__(self, web_url: str, sandbox_url: str) -> None:
        self._web_url = web_url
        self._sandbox_url = sandbox_url
        self._connector = aiohttp.TCPConnector(limit=0)
        self._sealed = ""

    async def close(self) -> None:
        await self._connector.close()

    async def buy(self, number: int) -> Purchase:
        """Buy one thing, from the shop to the result page. Raises BenchmarkError for any unexpected page."""
        began = time.perf_counter()
        async with aiohttp.ClientSession(connector=self._connector, connector_owner=False) as session:
            visit = _Visit(session)
            shop = await visit.get(f"{self._web_url}/")
            token = form_to("/", shop, self._web_url)
            if token is None:
                raise BenchmarkError(f"nothing to buy: {shop[:500]}")
            order = {"email": f"shopper-{number}@example.com", "sku": SKUS[number % len(SKUS)]}
            checkout_url = await visit.post(f"{self._web_url}/", {**token.fields, **order})
            checkout = await visit.get(checkout_url)
            pay = form_to("/pay/", checkout, checkout_url)
            device = form_to("/ddc", checkout, checkout_url)
            if pay is None or device is None:
                raise BenchmarkError(f"no card form: {checkout[:500]}")
            told = await visit.text("POST", device.action, {**device.fields, "Bin": "444433"})
            card = {
                "encrypted_card": await self._sealed_card(visit),
                "device_data_reference": device_data_session(told),
            }
            sent = time.perf_counter()
            result_url = await visit.post(pay.action, {**pay.fields, **BROWSER, **card})
            pay_seconds = time.perf_counter() - sent
            if not result_url.endswith("/result/"):
                raise BenchmarkError(f"paying led to {result_url}")
            await visit.get(result_url)
        reference = checkout_url.rstrip("/").rpartition("/")[2]
        return Purchase(reference, began, time.perf_counter(), pay_seconds)

    async def _sealed_card(self, visit: "_Visit") -> str:
        """Return the sealed card. It is sealed only once, because the shopper's machine would do that."""
        if not self._sealed:
            key = await visit.get(f"{self._sandbox_url}/worldpay/cse/public-key.txt")
            self._sealed = Card(FRICTIONLESS).sealed(key)
        return self._sealed


class _Visit:
    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def get(self, url: str) -> str:
        return await self.text("GET", url)

    async def text(self, method: str, url: str, fields: dict[str, str] | None = None) -> str:
        async with self._session.request(method, url, data=fields, headers={"Accept": "text/html"}) as answer:
            text = await answer.text()
            if answer.status != 200:
                raise BenchmarkError(f"{method} {url}: {answer.status} {text[:500]}")
            return text

    async def post(self, url: str, fields: dict[str, str]) -> str:
        """Send a form and return the address to which it redirects."""
        headers = {"Accept": "text/html", "Origin": urljoin(url, "/").rstrip("/")}
        async with self._session.post(url, data=fields, headers=headers, allow_redirects=False) as answer:
            if answer.status != 303:
                raise BenchmarkError(
                    f"POST {url}: {answer.status} {(await answer.text()).partition('<main')[2][:500]}"
                )
            return urljoin(url, answer.headers["Location"])
