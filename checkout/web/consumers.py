"""Status pushes, which notify a payment's page over a WebSocket when the payment's state changes."""

import asyncio
import json
from contextlib import ExitStack
from typing import Any
from urllib.parse import parse_qs

import structlog
from channels.generic.websocket import AsyncWebsocketConsumer

from checkout import problems
from checkout.payments import actions
from checkout.states import PaymentState
from checkout.tallies import pushes
from checkout.web.pages import next_path
from messaging.concurrency.database import in_thread
from messaging.errors import BrokerUnavailable
from messaging.logs.limited import write_limited
from payments_gateway.serving.process.graceful_shutdown import drain

log = structlog.get_logger(__name__)

MAX_MESSAGE_BYTES = 4096
MESSAGE_TOO_BIG = 1009  # RFC 6455, section 7.4.1
SERVICE_RESTART = 1012  # registered with IANA: the client may reconnect at once


class StatusConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]  # Channels has no types
    """A WebSocket that sends ``{"state", "next"}`` at once and on every change. ``next`` is a path, or null.

    The query parameter ``token`` comes from ``actions.status_token``. A push is only a hint, because pages
    also poll. A process that is about to end closes the connection with 1012.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._until_closed = ExitStack()
        self._leaving: asyncio.Future[None] | None = None
        self._is_closed = False
        self.group = ""

    async def __call__(self, *args: Any) -> None:
        """Handle the connection, and leave its group afterwards, even if the connection breaks."""
        try:
            await super().__call__(*args)
        except BrokerUnavailable:
            # The broker is unavailable, so the process has no channel to receive changes. The handshake has
            # not begun.
            await args[2]({"type": "websocket.close", "code": SERVICE_RESTART})
        finally:
            self._until_closed.close()
            if self.group:
                await self.channel_layer.group_discard(self.group, self.channel_name)

    async def connect(self) -> None:
        """Join the group first and then read the state, so that no change is missed in between."""
        self.reference: str = self.scope["url_route"]["kwargs"]["reference"]
        self.group = actions.group_of(self.reference)
        query = parse_qs(self.scope["query_string"].decode("latin-1"))
        try:
            actions.check_status_token(self.reference, query.get("token", [""])[0])
            await self.channel_layer.group_add(self.group, self.channel_name)
            state = await in_thread(actions.watch_payment, self.reference)
        except problems.EXPECTED:
            await self.close()
            return
        await self.accept()
        await self._tell(state)
        self._until_closed.enter_context(drain.ends(self._leave))

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Ignore messages from the page, which should send none. Close the connection if one is too big."""
        if len(bytes_data or (text_data or "").encode()) > MAX_MESSAGE_BYTES:
            await self.close(MESSAGE_TOO_BIG)

    async def payment_changed(self, event: dict[str, Any]) -> None:
        """Send the payment's state, which the saga has pushed to the group, to the page."""
        try:
            state = PaymentState(event["state"])
        except (KeyError, ValueError):
            # The sender may be a later release, or a program without the right to push. The page learns the
            # state by polling.
            write_limited(log.warning, "push not understood", payment=self.reference)
            return
        await self._tell(state)

    async def close(self, code: int | None = None, reason: str | None = None) -> None:
        """Close the connection once. Afterwards nothing may be sent, not even a push that has arrived."""
        if not self._is_closed:
            self._is_closed = True
            await super().close(code, reason)

    def _leave(self) -> None:
        self._leaving = asyncio.ensure_future(self.close(SERVICE_RESTART))

    async def _tell(self, state: PaymentState) -> None:
        message = {"state": state.value, "next": next_path(self.reference, state)}
        if not self._is_closed:
            await self.send(text_data=json.dumps(message))
            pushes.add()


class NoSuchSocket(AsyncWebsocketConsumer):  # type: ignore[misc]  # Channels has no types
    """A consumer that refuses a WebSocket at an unknown address."""

    channel_layer_alias = ""  # no layer, because nobody sends to this consumer

    async def connect(self) -> None:
        await self.close()
