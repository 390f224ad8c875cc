"""Call a service and wait for its reply.

``reply_to`` is this process's queue, and the correlation id is random (see ``channels.pending_replies``).

The errors that a caller has to distinguish:

- ``BrokerUnavailable``, ``PublishRefused``, ``TooManyWaiters``: the command was not published; -
  ``Undeliverable``: no queue took the command, because the service has never run here; -
  ``PublishUncertain``: the command may have been published. The wait ends at once: the reply may never come,
  and the caller can show a page that polls instead; - ``ReplyTimeout`` (and ``ReplyLost``, if the connection
  was lost after the confirm): the command was published, and work may be going on; - ``RemoteError``: the
  service answered with an error.
"""

import asyncio
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

from messaging import crash_points, tallies, traces
from messaging.broker import Broker
from messaging.channels.layer import RabbitmqChannelLayer
from messaging.envelope import (
    DEADLINE,
    SCHEMA_VERSION,
    SEALED,
    SUBJECT,
    Envelope,
    HeaderValue,
    Reply,
    encode_body,
    new_message_id,
)
from messaging.errors import BrokerUnavailable, MessagingError, PublishUncertain, ReplyLost, ReplyTimeout

# Not Channels' default layer, which may be of another kind. All layers of a broker share its state.
_layer = RabbitmqChannelLayer()


async def acall(
    service: str,
    type: str,
    body: object,
    *,
    timeout_seconds: float,
    message_id: str | None = None,
    subject: str = "",
    sealed: str = "",
    headers: Mapping[str, HeaderValue] | None = None,
) -> dict[str, Any]:
    """Send a command to ``service`` and return the result in its reply.

    The time-out covers the whole call, with the first attempt to connect or to reconnect. If the connection
    is lost after the command was sent, the call fails at once. If the call is cancelled, the reply is
    dropped, and the work goes on. Raises the errors listed above, and MalformedMessage if the reply breaks
    its contract.
    """
    traffic = _layer.traffic()
    broker, replies = traffic.broker, traffic.replies
    loop = asyncio.get_running_loop()
    until = loop.time() + timeout_seconds
    correlation_id, wait = replies.expect(service)
    answer = wait.future
    progress = "connecting"

    def on_confirm(error: MessagingError | None) -> None:
        nonlocal progress
        progress = "confirmed"
        if error is not None:
            replies.fail(correlation_id, error)
        elif message_id is not None:
            crash_points.reached("rpc.published")

    # The time-out and the reply complete the same future: the caller gets whichever comes first.
    timer = loop.call_at(until, replies.time_out, correlation_id)
    with _asking(service, type) if traces.is_on() else traces.NOTHING:
        try:
            if not broker.is_connected:
                await _first_attempt(broker, answer)
            if not answer.done():
                wait.is_sent = True
                broker.publish_nowait(
                    broker.topology.commands,
                    service,
                    # Not kept in a variable, which would hold the secret until the answer arrives.
                    Envelope(
                        type=type,
                        body=encode_body(body),
                        message_id=message_id or new_message_id(),
                        correlation_id=correlation_id,
                        reply_to=broker.reply_queue.name,
                        headers=_headers(until - loop.time(), subject, sealed, headers),
                    ),
                    on_confirm,
                )
                if progress == "connecting":
                    progress = "published"
            reply = await answer
        except TimeoutError:
            raise _time_out(progress, service, type, timeout_seconds) from None
        except ReplyLost:
            # The loss of the connection for replies may be noticed earlier than that of the connection for
            # publishing.
            if progress == "confirmed":
                raise
            raise PublishUncertain(
                f"{type} to {service}: the connection was lost before the confirm"
            ) from None
        finally:
            timer.cancel()
            if tallies.is_on:
                tallies.waits.note(loop.time() - until + timeout_seconds, type, _outcome_of(answer))
            replies.discard(correlation_id)
            # The error's traceback refers to this frame. Without this line, the frame would refer to the
            # error, and the secret would stay in memory.
            del answer, wait
    return Reply.decode(reply).unwrap()


def _outcome_of(answer: "asyncio.Future[bytes]") -> str:
    """Return how a wait ended: in one word, or as the code of its error."""
    if not answer.done():
        return "not_published"
    if answer.cancelled():
        return "caller_left"
    error = answer.exception()
    if error is None:
        return "replied"
    return error.code if isinstance(error, MessagingError) else "timed_out"


def _asking(service: str, type: str) -> AbstractContextManager[object]:
    """Open the span of a call, from publishing its command to its reply or the end of the wait."""
    attributes = {
        "messaging.system": "rabbitmq",
        "messaging.operation.name": "send",
        "messaging.operation.type": "send",
        "messaging.destination.name": service,
        "messaging.message.type": type,
    }
    return traces.span(f"send {type}", "producer", **attributes)


async def _first_attempt(broker: Broker, answer: "asyncio.Future[bytes]") -> None:
    """Wait for the first attempt to connect, or until the call's wait ends."""
    attempt = asyncio.ensure_future(broker.first_attempt())
    first: set[asyncio.Future[Any]] = {attempt, answer}
    try:
        await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
    finally:
        attempt.cancel()


def _headers(
    seconds_left: float, subject: str, sealed: str, others: Mapping[str, HeaderValue] | None
) -> dict[str, HeaderValue]:
    deadline = int((time.time() + seconds_left) * 1000)
    headers: dict[str, HeaderValue] = {SCHEMA_VERSION: 1, DEADLINE: deadline}
    if subject:
        headers[SUBJECT] = subject
    if sealed:
        headers[SEALED] = sealed
    if others:
        headers.update(others)
    headers.update(traces.headers())
    return headers


def _time_out(progress: str, service: str, type: str, timeout_seconds: float) -> MessagingError:
    match progress:
        case "connecting":
            return BrokerUnavailable(f"not connected within {timeout_seconds} s")
        case "published":
            return PublishUncertain(
                f"{type} to {service}: no confirm and no reply within {timeout_seconds} s"
            )
        case _:
            return ReplyTimeout(f"{type} to {service}: no reply within {timeout_seconds} s")
