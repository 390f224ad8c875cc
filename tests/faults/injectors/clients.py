"""Faults of clients: slow or hostile requests, and WebSockets that break."""

import asyncio
import contextlib
import hashlib
from urllib.parse import urlsplit

import aiohttp

from checkout.money import Money
from tests.faults.forgery import forged
from tests.faults.injectors.storm import Storm

SLOW_CLIENTS = 200
SLOW_SECONDS = 8


async def send_hostile_notifications(storm: Storm) -> str:
    """Send notifications that are unreadable, too large, for an unknown account or about an unknown order."""
    unknown = f"pay_{hashlib.sha256(str(storm.random.random()).encode()).hexdigest()[:32]}-1"
    bodies = {
        "sandbox": [
            b"",
            b"<not xml",
            b"\xff\xfe\x00",
            b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
            b"x" * 100_000,
            b"OrderCode=T1&PaymentStatus=CAPTURED&PaymentAmount=1250",
            forged(unknown, "AUTHORISED", Money(1250, "GBP")),
        ],
        "nobody": [forged(unknown, "AUTHORISED", Money(1250, "GBP"))],
    }
    statuses: list[int | str] = []
    for account, each in bodies.items():
        for body in each:
            url = f"{storm.site.stack.web_url}/notifications/{account}/"
            headers = {"Content-Type": "text/xml"}
            try:
                async with storm.session.post(url, data=body, headers=headers) as response:
                    statuses.append(response.status)
            except aiohttp.ClientOSError:
                # The server refuses a body that is too large while it is still being sent, and closes the
                # connection.
                statuses.append("cut")
    if 500 in statuses:
        storm.diary.mishaps.append(f"hostile notifications were answered by {statuses}")
    return f"hostile notifications, answered by {statuses}"


async def connect_slowly(storm: Storm) -> str:
    """Open many connections that send a request byte by byte, or nothing, or do not read the answer."""
    parts = urlsplit(storm.site.stack.web_url)
    writers: list[asyncio.StreamWriter] = []

    async def one(number: int) -> None:
        _, writer = await asyncio.open_connection(parts.hostname, parts.port)
        writers.append(writer)
        request = b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Filler: " + b"a" * 100
        if number % 3 == 1:
            writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        for position in range(SLOW_SECONDS * 2):
            if number % 3 == 2:
                writer.write(request[position : position + 1])
            await asyncio.sleep(0.5)

    try:
        async with asyncio.timeout(SLOW_SECONDS * 3):
            await asyncio.gather(*(one(number) for number in range(SLOW_CLIENTS)), return_exceptions=True)
    finally:
        for writer in writers:
            with contextlib.suppress(OSError):
                writer.transport.abort()
    return f"{len(writers)} slow clients"


async def drop_sockets(storm: Storm) -> str:
    """Abort every WebSocket of the shoppers."""
    broken = storm.recorder.ears.copy()
    for ear in broken:
        ear.abort()
    return f"{len(broken)} WebSockets dropped"
