"""Attacks over HTTP, all from one address. Each attack goes on until its process is ended.

`python -m tests.hostile.attackers NAME TARGET` runs one attack and prints the counts of answers each second.
It runs with the lowest priority, so that it slows shoppers only by its effects on the gateway.
"""

import asyncio
import contextlib
import json
import re
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import count
from urllib.parse import urlsplit

import aiohttp
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus, WebSocketException

from checkout.money import Money
from tests.faults.forgery import ACCOUNTS, forged
from tests.flows.stack.slow_clients import Clients

# Neither the shoppers' address nor one that the web process takes for its proxy.
SOURCE = "127.0.0.66"
SLOW_CLIENTS = 1_000
FLOODS_AT_ONCE = 30
LOG_INS_AT_ONCE = 25
NOTIFIERS = 10
SOCKETS = 1_000
HANDSHAKES_AT_ONCE = 50
PAUSE_SECONDS = 0.05
HEADER_BYTES = 4_000_000
MANY_HEADERS = 100_000
TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="(\w+)"')
DATES = count(2030)


@dataclass(frozen=True)
class Target:
    """The gateway and an attacker's knowledge: codes of `orders`, and the path of a payment's WebSocket."""

    url: str
    orders: list[str] = field(default_factory=list)
    socket: str = ""

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 80


answers: Counter[str] = Counter()


async def slow_clients(target: Target) -> None:
    """Keep 1,000 connections open that send nothing, send a byte a second, or read nothing."""
    path = f"/checkout/pay_{'0' * 32}/pay/"
    await Clients(target.port, path, source=SOURCE).run(SLOW_CLIENTS)


async def header_floods(target: Target) -> None:
    """Send headers of 4 MB, 100,000 headers, and headers just within the limit."""
    floods = (
        b"X: " + b"a" * HEADER_BYTES,
        b"a: b\r\n" * MANY_HEADERS,
        b"".join(b"X-%d: %s\r\n" % (number, b"a" * 700) for number in range(80)) + b"\r\n",
    )

    async def flood(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", target.port, local_addr=(SOURCE, 0))
        try:
            writer.write(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n")
            writer.write(floods[number % len(floods)])
            line = await asyncio.wait_for(reader.readline(), 15)
            answers[line[9:12].decode() or "closed"] += 1
        finally:
            writer.transport.abort()

    await _again_and_again(flood, FLOODS_AT_ONCE)


async def log_in_guesses(target: Target) -> None:
    """Guess staff passwords, 25 at a time."""
    async with _session() as session:
        async with session.get(f"{target.url}/admin/login/") as page:
            found = TOKEN.search(await page.text())
            cookie = page.cookies["csrftoken"].value if found else ""
        fields = {"username": "admin", "csrfmiddlewaretoken": found[1] if found else ""}
        headers = {"Cookie": f"csrftoken={cookie}", "Origin": target.url}

        async def guess(number: int) -> None:
            async with session.post(
                f"{target.url}/admin/login/", data={**fields, "password": f"guess-{number}"}, headers=headers
            ) as response:
                answers[str(response.status)] += 1

        await _again_and_again(guess, LOG_INS_AT_ONCE)


async def notification_floods(target: Target) -> None:
    """Send forged notifications about known orders, about unknown ones, and unreadable ones."""
    async with _session() as session:

        async def notify(number: int) -> None:
            body = _forgery(target.orders, number)
            async with session.post(f"{target.url}/notifications/sandbox/", data=body) as response:
                answers[str(response.status)] += 1

        await _again_and_again(notify, NOTIFIERS)


async def sockets(target: Target) -> None:
    """Try to keep 1,000 WebSockets of one payment's page open."""
    address = target.url.replace("http", "ws", 1) + target.socket
    handshakes = asyncio.Semaphore(HANDSHAKES_AT_ONCE)

    async def listen(_number: int) -> None:
        try:
            async with handshakes:
                connection = await connect(address, origin=target.url, local_addr=(SOURCE, 0))  # type: ignore[arg-type]
        except InvalidStatus as refused:
            answers[str(refused.response.status_code)] += 1
            await asyncio.sleep(1)
            return
        answers["101"] += 1
        async with connection:
            async for _message in connection:
                pass

    await _again_and_again(listen, SOCKETS)


ATTACKS: dict[str, Callable[[Target], Awaitable[None]]] = {
    "slow clients": slow_clients,
    "header floods": header_floods,
    "log-in guessing": log_in_guesses,
    "notification floods": notification_floods,
    "WebSockets": sockets,
}


def _session() -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(limit=0, local_addr=(SOURCE, 0))
    return aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar(), timeout=aiohttp.ClientTimeout(total=30)
    )


def _forgery(orders: list[str], number: int) -> bytes:
    """Return a body that was never sent before: a new date makes it a new event."""
    if number % 10 == 0:
        return b"from nobody %d" % number
    code = f"pay_{number:032x}-1" if number % 10 == 1 or not orders else orders[number % len(orders)]
    # Every other notification is an expiry, a claim that no operation of ours explains.
    events = list(ACCOUNTS)
    event = "EXPIRED" if number % 2 else events[number % len(events)]
    year = b'year="%d"' % next(DATES)
    return forged(code, event, Money(1250, "GBP")).replace(b'year="2030"', year)


async def _again_and_again(act: Callable[[int], Awaitable[None]], at_once: int) -> None:
    numbers = count()

    async def go_on() -> None:
        while True:
            try:
                await act(next(numbers))
            except (aiohttp.ClientError, WebSocketException, OSError, TimeoutError, EOFError) as error:
                answers[type(error).__name__] += 1
            await asyncio.sleep(PAUSE_SECONDS)

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(go_on())


async def _tell() -> None:
    while True:
        await asyncio.sleep(1)
        print(json.dumps(answers), flush=True)


async def main(name: str, target: Target) -> None:
    """Attack until the process is ended."""
    telling = asyncio.create_task(_tell())
    with contextlib.suppress(asyncio.CancelledError):
        await ATTACKS[name](target)
    telling.cancel()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Target(**json.loads(sys.argv[2]))))
