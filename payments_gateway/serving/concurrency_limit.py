"""Limits on the requests and WebSockets that one process holds at once, in total and for each client.

A request is counted before its body is read and before the database is used, so that a refusal costs next to
nothing, and does not slow down the requests that were admitted. Counting takes constant time, however many
requests are held.
"""

import json

from payments_gateway.serving.clients import ClientCounter, client_of
from payments_gateway.serving.conf import conf
from payments_gateway.serving.problems import Problem, document_of
from payments_gateway.serving.scope import REFUSED, Application, Receive, Scope, Send
from payments_gateway.serving.views import is_held, resolve


class ConcurrencyLimit:
    """A middleware that admits held requests and handshakes up to the limits in the settings.

    It is the outermost one, and looks up the view of every request's address for all handlers. A refused
    request is passed on with the refusal in its scope, and the inner middleware answers it. A refused
    handshake is answered here (ASGI's extension "WebSocket Denial Response", or 403 without it).
    """

    def __init__(self, application: Application) -> None:
        self._application = application
        self.requests = ClientCounter("held_requests")
        self.sockets = ClientCounter("sockets")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_socket = scope["type"] == "websocket"
        if not is_socket and not (scope["type"] == "http" and is_held(resolve(scope))):
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


async def _refuse_handshake(scope: Scope, problem: Problem, receive: Receive, send: Send) -> None:
    await receive()  # the handshake itself, not the messages after it
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
