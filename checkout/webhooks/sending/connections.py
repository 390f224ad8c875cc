"""Connections to endpoints: each to an address that was checked, and with an answer of limited length.

aiohttp bounds the lines and the number of headers. It reads any number of interim responses (RFC 9110, 15.2),
and any extension of a chunk, which reach no reader of the body. They would keep the process from all else.
"""

import asyncio
import socket
import ssl
from functools import partial
from typing import Any

import aiohttp
from aiohappyeyeballs import AddrInfoType
from aiohttp.client_proto import ResponseHandler

from checkout.conf.origins import Scheme
from checkout.webhooks.sending.resolver import AddressRefused, CheckedResolver, LookUp
from checkout.webhooks.url_policy import peer_error

# Less than the 5 s after which Node closes an idle connection, since a request may cross with the end.
IDLE_SECONDS = 4.0
# Far more than a proxy in front of an endpoint sends before its answer.
MOST_INTERIM_RESPONSES = 16
# The bytes of one answer in all. A body of 64 kB has as many even if each byte of it is a chunk.
MOST_BYTES = 1_000_000


class AnswerTooLong(aiohttp.ClientError):
    """An answer was broken off because it would have been too long."""


class BoundedHandler(ResponseHandler):
    """aiohttp's protocol of a connection. It ends the connection if an answer is too long."""

    _interim = _received = 0

    def set_response_params(self, **params: Any) -> None:
        """Begin to count: another request is about to be sent."""
        self._interim = self._received = 0
        super().set_response_params(**params)

    def data_received(self, data: bytes) -> None:
        """Take what has arrived, unless it is too much."""
        self._received += len(data)
        if self._received > MOST_BYTES:
            self._give_up()
        else:
            super().data_received(data)

    def feed_data(self, data: Any, size: int = 0) -> None:
        """Take the head of a response. Those of one piece of data come one after the other."""
        self._interim = self._interim + 1 if 100 <= data[0].code < 200 else 0
        if self._interim > MOST_INTERIM_RESPONSES:
            self._give_up()
        else:
            super().feed_data(data, size)

    def _give_up(self) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.set_exception(AnswerTooLong("The answer was too long."))
            self.transport.abort()


class Connector(aiohttp.TCPConnector):
    """Makes connections with one scheme, and keeps them for a moment."""

    def __init__(self, scheme: Scheme, look_up: LookUp, authorities: ssl.SSLContext) -> None:
        super().__init__(
            resolver=CheckedResolver(look_up, scheme),
            socket_factory=partial(checked_socket, scheme),
            ssl=authorities,
            use_dns_cache=False,
            # The sender limits the attempts itself.
            limit=0,
            keepalive_timeout=IDLE_SECONDS,
        )
        handler: type[ResponseHandler] = BoundedHandler
        self._factory = partial(handler, loop=asyncio.get_running_loop())


def checked_socket(scheme: Scheme, place: AddrInfoType) -> socket.socket:
    """Return a socket for a connection to exactly this address. Raises ``AddressRefused``."""
    family, kind, protocol, _, target = place
    host, port = str(target[0]), int(target[1])
    if fault := peer_error(host, port, scheme):
        raise AddressRefused(f"The host {fault}")
    made = socket.socket(family, kind, protocol)
    made.setblocking(False)
    return made
