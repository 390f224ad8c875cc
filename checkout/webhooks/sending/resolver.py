"""Look up names, and check every address of a name before connecting to one of them.

A thread that looks up a name cannot be interrupted. Look-ups of the same name therefore share one thread: a
name whose servers do not answer occupies a single thread, however many deliveries wait for it. The names of
one merchant occupy at most a few threads.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from weakref import WeakValueDictionary

from aiohttp.abc import AbstractResolver, ResolveResult

from checkout.conf.origins import Scheme
from checkout.webhooks.url_policy import peer_error

LOOK_UP_THREADS = 32
LOOK_UPS_PER_MERCHANT = 4
# The time that a look-up may wait for a thread. It is much shorter than the time of an attempt.
QUEUE_SECONDS = 5.0

# The merchant for whom a name is looked up, because aiohttp's interface of a resolver has no parameter for
# it.
for_merchant: ContextVar[str] = ContextVar("for_merchant", default="")

# A function that returns the IP addresses of a name, in the order in which to try them. Raises ``OSError``.
LookUp = Callable[[str], Awaitable[Sequence[str]]]


class AddressRefused(OSError):
    """The name or address leads to a machine or a port that webhooks must not reach."""


class LookUpNotBegun(OSError):
    """No thread became free for the look-up in time. The name itself was not looked up."""


class SystemLookUp:
    """A look-up by the system's resolver, in threads of its own. It may raise ``LookUpNotBegun``."""

    def __init__(self, *, queue_seconds: float = QUEUE_SECONDS) -> None:
        self._queue_seconds = queue_seconds
        self._places = asyncio.Semaphore(LOOK_UP_THREADS)
        self._of_merchants: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self._threads = ThreadPoolExecutor(LOOK_UP_THREADS, thread_name_prefix="dns")
        self._running: dict[str, asyncio.Future[Sequence[str]]] = {}

    async def __call__(self, host: str) -> Sequence[str]:
        found = self._running.get(host)
        if found is None:
            found = await self._begin(host)
        # The look-up is not cancelled with a delivery whose time is over, because other deliveries share it.
        return await asyncio.shield(found)

    async def _begin(self, host: str) -> asyncio.Future[Sequence[str]]:
        merchant = for_merchant.get()
        own = self._of_merchants.get(merchant)
        if own is None:
            own = self._of_merchants[merchant] = asyncio.Semaphore(LOOK_UPS_PER_MERCHANT)
        await self._take_places(own)

        def end(_: object) -> None:
            self._running.pop(host, None)
            self._places.release()
            own.release()

        if (found := self._running.get(host)) is not None:
            # Another delivery may have begun the look-up in the meantime.
            self._places.release()
            own.release()
            return found
        found = asyncio.get_running_loop().run_in_executor(self._threads, _addresses_of, host)
        self._running[host] = found
        found.add_done_callback(end)
        return found

    async def _take_places(self, own: asyncio.Semaphore) -> None:
        try:
            async with asyncio.timeout(self._queue_seconds):
                await own.acquire()
                try:
                    await self._places.acquire()
                except BaseException:
                    own.release()
                    raise
        except TimeoutError:
            raise LookUpNotBegun("Too many name look-ups are under way.") from None

    def close(self) -> None:
        """Discard waiting look-ups. Threads that are busy end later."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _addresses_of(host: str) -> Sequence[str]:
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(place[0]) for *_, place in found))


class CheckedResolver(AbstractResolver):
    """A resolver for aiohttp, which refuses a name if any of its addresses is not allowed."""

    def __init__(self, look_up: LookUp, scheme: Scheme) -> None:
        self._look_up = look_up
        self._scheme = scheme

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of ``host``. Raises ``AddressRefused`` if one of them must not be reached."""
        addresses = await self._look_up(host)
        for address in addresses:
            if fault := peer_error(address, port, self._scheme):
                raise AddressRefused(f"{host} {fault}")
        if not addresses:
            raise socket.gaierror(socket.EAI_NONAME, "The name has no address.")
        return [_result(host, address, port) for address in addresses]

    async def close(self) -> None:
        """See AbstractResolver. Nothing is closed here, because the client owns the look-up."""


def _result(host: str, address: str, port: int) -> ResolveResult:
    return ResolveResult(
        hostname=host,
        host=address,
        port=port,
        family=socket.AF_INET6 if ":" in address else socket.AF_INET,
        proto=socket.IPPROTO_TCP,
        flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
    )
