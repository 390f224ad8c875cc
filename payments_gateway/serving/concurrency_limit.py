"""Limits on the requests and WebSockets that one process holds at once, in total and for each client.

Each one is counted before its body is read and before any look-up, so that refusing it costs next to nothing
and does not slow down those already admitted. Counting takes constant time, however many are held.
"""

import json

from checkout.conf import conf
from checkout.rates import network_of
from checkout.web.problems import FULL, TOO_MANY, Problem, document_of
from checkout.web.protection.headers import REFUSED
from payments_gateway.serving.body_limit import Application, Receive, Scope, Send

# Not notifications: they are not held, as they wait for no reply, and arrive in bursts from few addresses.
HELD_PATHS = ("/checkout/",)


class Counter:
    """A count of the admitted clients, in total and by client. A client that has left takes no memory."""

    def __init__(self) -> None:
        self.total = 0
        self.by_client: dict[str, int] = {}

    def enter(self, client: str, *, most: int, most_of_client: int) -> Problem | None:
        """Count the client in, or return why it is refused. The unknown client "" has no limit of its own."""
        if self.total >= most:
            return FULL
        inside = self.by_client.get(client, 0)
        if client and inside >= most_of_client:
            return TOO_MANY
        self.total += 1
        self.by_client[client] = inside + 1
        return None

    def leave(self, client: str) -> None:
        """Remove a client that was counted in."""
        self.total -= 1
        inside = self.by_client.pop(client) - 1
        if inside:
            self.by_client[client] = inside


class ConcurrencyLimit:
    """A middleware that admits requests and handshakes up to the limits in the settings.

    A refused request is passed on with the refusal in its scope, from which the middleware inside makes the
    answer. A refused handshake is answered here (ASGI's extension "WebSocket Denial Response", or 403 without
    it).
    """

    def __init__(self, application: Application) -> None:
        self._application = application
        self.requests = Counter()
        self.sockets = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_socket = scope["type"] == "websocket"
        if not is_socket and not (scope["type"] == "http" and scope["path"].startswith(HELD_PATHS)):
            await self._application(scope, receive, send)
            return
        client = client_of(scope)
        if is_socket:
            clients, most, most_of_client = self.sockets, conf.max_sockets, conf.max_sockets_per_address
        else:
            clients, most, most_of_client = self.requests, conf.max_held, conf.max_held_per_address
        refusal = clients.enter(client, most=most, most_of_client=most_of_client)
        if refusal is None:
            try:
                await self._application(scope, receive, send)
            finally:
                clients.leave(client)
        elif is_socket:
            await _refuse_handshake(scope, refusal, receive, send)
        else:
            scope[REFUSED] = refusal
            await self._application(scope, receive, send)


def client_of(scope: Scope) -> str:
    """Return the client's address (for IPv6, its network) as the server gives it; "" if it is unknown."""
    return network_of(scope["client"][0]) if scope.get("client") else ""


async def _refuse_handshake(scope: Scope, problem: Problem, receive: Receive, send: Send) -> None:
    await receive()  # the handshake itself
    if "websocket.http.response" not in (scope.get("extensions") or {}):
        await send({"type": "websocket.close"})
        return
    headers = {"Content-Type": "application/problem+json", "Cache-Control": "no-store", **problem.headers}
    await send(
        {
            "type": "websocket.http.response.start",
            "status": problem.status,
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        }
    )
    body = json.dumps(document_of(problem)).encode()
    await send({"type": "websocket.http.response.body", "body": body})
