"""Connections to endpoints: only to checked addresses, and with answers of limited length.

aiohttp limits the length and number of headers. It does not limit interim responses (RFC 9110, 15.2) and
chunk extensions, which a reader of the body does not see. With these, an endpoint could keep the process
busy.
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

# Node closes an idle connection after 5 s. A request that is sent at that moment would fail.
IDLE_SECONDS = 4.0
# Proxies in front of endpoints send far fewer interim responses before the answer.
MOST_INTERIM_RESPONSES = 16
# The most bytes of one answer. A body of 64 kB needs fewer even if each of its bytes is a chunk.
MOST_BYTES = 1_000_000


class AnswerTooLong(aiohttp.ClientError):
    """The connection was closed because the answer is too long."""


class BoundedHandler(ResponseHandler):
    """aiohttp's handler of one connection. It closes the connection if an answer is too long."""

    _interim = _received = 0

    def set_response_params(self, **params: Any) -> None:
        """Reset the counts, because another request is about to be sent."""
        self._interim = self._received = 0
        super().set_response_params(**params)

    def data_received(self, data: bytes) -> None:
        """Process received data, unless the answer is too long."""
        self._received += len(data)
        if self._received > MOST_BYTES:
            self._give_up()
        else:
            super().data_received(data)

    def feed_data(self, data: Any, size: int = 0) -> None:
        """Process the head of a response. Close the connection after too many interim responses in a row."""
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
    """A connector for one scheme, which keeps idle connections for a short time."""

    def __init__(self, scheme: Scheme, look_up: LookUp, authorities: ssl.SSLContext) -> None:
        super().__init__(
            resolver=CheckedResolver(look_up, scheme),
            socket_factory=partial(checked_socket, scheme),
            ssl=authorities,
            use_dns_cache=False,
            # The sender limits the number of attempts itself.
            limit=0,
            keepalive_timeout=IDLE_SECONDS,
        )
        handler: type[ResponseHandler] = BoundedHandler
        self._factory = partial(handler, loop=asyncio.get_running_loop())


def checked_socket(scheme: Scheme, place: AddrInfoType) -> socket.socket:
    """Return a socket for a connection to this address. Raises ``AddressRefused``."""
    family, kind, protocol, _, target = place
    host, port = str(target[0]), int(target[1])
    if fault := peer_error(host, port, scheme):
        raise AddressRefused(f"The host {fault}")
    made = socket.socket(family, kind, protocol)
    made.setblocking(False)
    return made
