"""The limits on connections to one server, in total and from one address."""

import asyncio
import resource

from uvicorn.config import Config
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.server import ServerState

from payments_gateway.serving.clients import ClientCounter, network_of
from payments_gateway.serving.conf import conf
from payments_gateway.serving.http.idle_connections import IdleConnections
from payments_gateway.serving.http.writing import LINGER_SECONDS, close_in_time, close_slowly
from payments_gateway.serving.problems import FULL, Problem
from payments_gateway.serving.process.memory import AfterFlood

# Open files other than connections of clients: database, broker, templates, logs.
OTHER_FILES = 128
# How many refused connections may be in their closing phase at the same time. Each uses a file descriptor,
# and is not counted as a connection.
MOST_CLOSING = 64


class ConnectionLimit:
    """A count of the connections to one server.

    A proxy that is trusted to name its clients (``FORWARDED_ALLOW_IPS``) is subject only to the limit of the
    server. Its clients are counted by their requests (``payments_gateway.serving.concurrency_limit``).
    """

    def __init__(self, config: Config) -> None:
        trusted = config.forwarded_allow_ips if config.proxy_headers else []
        self._proxies = ProxyHeadersMiddleware(config.app, trusted or []).trusted_hosts  # type: ignore[arg-type]
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self._most = min(conf.max_connections, max(1, files - OTHER_FILES))
        self._most_of_client = conf.max_connections_per_address
        self._clients = ClientCounter("connections")
        self.idle = IdleConnections()
        self.memory = AfterFlood()
        self._closing = 0

    def client_of(self, address: tuple[str, int] | None) -> str:
        """Return the name under which a peer is counted; "" if only the limit of the server applies."""
        if address is None or address[0] in self._proxies:
            return ""
        return network_of(address[0])

    def enter(self, client: str, connections: int) -> Problem | None:
        """Count a new connection, or return why it is refused. There are ``connections``, with WebSockets."""
        if connections >= self._most:
            return FULL
        if not client:
            return None
        return self._clients.enter(client, most=self._most, most_of_client=self._most_of_client)

    def reject(self, transport: asyncio.Transport, answer: bytes) -> None:
        """Answer a connection that was not counted, and close it.

        It is closed slowly, unless too many are closing. The client has probably sent its request already, so
        a connection closed at once would be reset, and the client would not see the answer.
        """
        transport.write(answer)
        if self._closing >= MOST_CLOSING:
            close_in_time(transport)
            return
        self._closing += 1
        asyncio.get_running_loop().call_later(LINGER_SECONDS, self._has_closed)
        close_slowly(transport)

    def _has_closed(self) -> None:
        self._closing -= 1

    def leave(self, client: str) -> None:
        """Uncount a connection. Nothing is kept about a client without connections."""
        if client:
            self._clients.leave(client)


def limit_of(server: ServerState, config: Config) -> ConnectionLimit:
    """Return the limit of the server to which a connection belongs."""
    known = vars(server)
    if "connection_limit" not in known:
        known["connection_limit"] = ConnectionLimit(config)
    limit: ConnectionLimit = known["connection_limit"]
    return limit
