"""Access to the connection below HTTP, for faults that no response can express."""

import asyncio
import socket
import struct
from typing import Any, ClassVar

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

NO_LINGER = struct.pack("ii", 1, 0)
Addresses = tuple[Any, Any]


class Connection(HttpToolsProtocol):
    """The server's protocol object, which can be found from the request that came over its connection."""

    _open: ClassVar[dict[Addresses, asyncio.Transport]] = {}

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._open[(self.client, self.server)] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self._open.pop((self.client, self.server), None)
        super().connection_lost(exc)

    @classmethod
    def close(cls, scope: Scope) -> None:
        """Close the connection of a request after the data that has been sent."""
        cls._of(scope).close()

    @classmethod
    def reset(cls, scope: Scope) -> None:
        """End the connection of a request with a reset (RST)."""
        transport = cls._of(scope)
        # With a linger time of zero, the kernel discards unsent data and sends a reset.
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        transport.abort()

    @classmethod
    def _of(cls, scope: Scope) -> asyncio.Transport:
        return cls._open[(scope["client"], scope["server"])]
