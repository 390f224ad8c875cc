"""Names to addresses: every address of a name is checked before a connection to any of them is made.

A thread that looks up a name cannot be interrupted. Look-ups of the same name therefore share one thread, so
that a name whose servers do not answer occupies one thread only, however many deliveries wait for it.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from aiohttp.abc import AbstractResolver, ResolveResult

from checkout.webhooks.addresses import Scheme, fault_of_peer

LOOK_UP_THREADS = 32

# A function that returns the IP addresses of a name, in the order in which to try them. Raises ``OSError``.
LookUp = Callable[[str], Awaitable[Sequence[str]]]


class AddressRefused(OSError):
    """The name or address leads to a machine, or a port, that webhooks must not reach."""


class SystemLookUp:
    """A look-up by the system's resolver, in threads of its own."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(LOOK_UP_THREADS, thread_name_prefix="dns")
        self._running: dict[str, asyncio.Future[Sequence[str]]] = {}

    async def __call__(self, host: str) -> Sequence[str]:
        found = self._running.get(host)
        if found is None:
            found = asyncio.get_running_loop().run_in_executor(self._threads, _addresses_of, host)
            self._running[host] = found
            found.add_done_callback(lambda _: self._running.pop(host, None))
        # A delivery whose time is over must not cancel the look-up of the others.
        return await asyncio.shield(found)

    def close(self) -> None:
        """Let the threads end, without waiting for them."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _addresses_of(host: str) -> Sequence[str]:
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(place[0]) for *_, place in found))


class CheckedResolver(AbstractResolver):
    """aiohttp's resolver: it passes on the addresses that it has checked, and no name that has another."""

    def __init__(self, look_up: LookUp, scheme: Scheme) -> None:
        self._look_up = look_up
        self._scheme = scheme

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of ``host``. Raises ``AddressRefused`` if one of them must not be reached."""
        addresses = await self._look_up(host)
        for address in addresses:
            if fault := fault_of_peer(address, port, self._scheme):
                raise AddressRefused(f"{host} {fault}")
        if not addresses:
            raise socket.gaierror(socket.EAI_NONAME, "The name has no address.")
        return [_result(host, address, port) for address in addresses]

    async def close(self) -> None:
        """See AbstractResolver. The look-up belongs to the client."""


def _result(host: str, address: str, port: int) -> ResolveResult:
    return ResolveResult(
        hostname=host,
        host=address,
        port=port,
        family=socket.AF_INET6 if ":" in address else socket.AF_INET,
        proto=socket.IPPROTO_TCP,
        flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
    )
