"""A WebSocket to the whole web application in this process."""

import json
from typing import Any

from asgiref.testing import ApplicationCommunicator

from payments_gateway.asgi import application


class Socket:
    """A WebSocket that `connect` opens. `told` returns the application's next message, decoded."""

    refused_with: tuple[int, str] | None = None
    """Status and Retry-After of the HTTP response, if the handshake was refused with one."""

    def __init__(
        self,
        path: str,
        *,
        origin: str | None,
        host: str = "localhost:8000",
        scheme: str = "ws",
        address: str = "192.0.2.7",
        extensions: dict[str, Any] | None = None,
        root_path: str = "",
    ) -> None:
        path, _, query = path.partition("?")
        headers = [(b"host", host.encode())] + ([(b"origin", origin.encode())] if origin else [])
        scope = {
            "type": "websocket",
            "scheme": scheme,
            "path": path,
            "raw_path": path.encode(),
            "root_path": root_path,
            "query_string": query.encode(),
            "headers": headers,
            "subprotocols": [],
            "client": (address, 40000),
            "extensions": {"websocket.http.response": {}} if extensions is None else extensions,
        }
        self._exchange = ApplicationCommunicator(application, scope)

    async def connect(self) -> bool:
        """Return True if the application accepts the handshake."""
        await self._exchange.send_input({"type": "websocket.connect"})
        answer = await self.next()
        if answer["type"] == "websocket.http.response.start":
            headers = dict(answer["headers"])
            self.refused_with = (answer["status"], headers[b"retry-after"].decode())
        return bool(answer["type"] == "websocket.accept")

    async def next(self) -> dict[str, Any]:
        message: dict[str, Any] = await self._exchange.receive_output(20)
        return message

    async def told(self) -> Any:
        return json.loads((await self.next())["text"])

    async def is_silent(self) -> bool:
        """Return True if the application has no more messages to send, now or in a moment."""
        is_silent: bool = await self._exchange.receive_nothing()
        return is_silent

    async def say(self, text: str) -> None:
        await self._exchange.send_input({"type": "websocket.receive", "text": text})

    async def disconnect(self) -> None:
        await self._exchange.send_input({"type": "websocket.disconnect", "code": 1000})
        await self._exchange.wait(20)
