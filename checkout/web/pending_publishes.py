"""Submissions that could not be published, kept in this process's memory until the broker is available.

The card, under its second seal, is in no table, so no other process can send it. If a submission is not
published in time, the relay sends it without the card. The attempt then ends as not sent, and the shopper may
pay again.
"""

import asyncio

import structlog

from checkout.payments.actions import Pending
from checkout.payments.actions.shopper.pending import CARD_GRACE_SECONDS
from messaging.envelope import Envelope, command_envelope
from messaging.errors import MessagingError
from messaging.registry import get_broker

log = structlog.get_logger(__name__)

MAX_KEPT = 1000
MAX_KEPT_BYTES = 4_194_304
PUBLISH_TIMEOUT_SECONDS = 5.0
PAUSE_SECONDS = 1.0
FAREWELL_SECONDS = 2.0
# The last try ends well before the relay sends the submission without its card.
KEPT_SECONDS = CARD_GRACE_SECONDS - 3 * PUBLISH_TIMEOUT_SECONDS

_publishing: dict["asyncio.Task[None]", int] = {}


def keep(pending: Pending, sealed: str, *, since: float) -> None:
    """Publish a submission as soon as possible. It was committed after ``since`` (in the loop's time).

    A submission that may already have been published is kept, too. It has the same message id, and is handled
    once. If there is no room, or it is too late, the relay sends the submission without its card.
    """
    loop, until = asyncio.get_running_loop(), since + KEPT_SECONDS
    if until <= loop.time():
        # The commit took longer than a submission is kept.
        log.warning("submission too late to be kept", payment=pending.payment)
        return
    if len(_publishing) >= MAX_KEPT or sum(_publishing.values()) + len(sealed) > MAX_KEPT_BYTES:
        log.warning("no room to keep a submission", payment=pending.payment, kept=len(_publishing))
        return
    task = loop.create_task(_publish_in_time(pending, sealed, until))
    _publishing[task] = len(sealed)
    task.add_done_callback(_publishing.pop)


async def flush() -> None:
    """Before the process ends, publish the submissions that can be published at once, and drop the others."""
    if _publishing:
        await asyncio.wait(_publishing, timeout=FAREWELL_SECONDS)
    for task in list(_publishing):
        task.cancel()


async def _publish_in_time(pending: Pending, sealed: str, until: float) -> None:
    envelope = command_envelope(
        pending.command.to, pending.command, subject=pending.payment, message_id=pending.message_id
    )
    service, _ = pending.command.address
    try:
        async with asyncio.timeout_at(until):
            await _publish(service, envelope.with_sealed(sealed))
    except TimeoutError:
        log.warning("kept submission given up", payment=pending.payment)
    else:
        log.info("kept submission published", payment=pending.payment)


async def _publish(service: str, envelope: Envelope) -> None:
    broker = get_broker()
    while True:
        await broker.wait_connected()
        try:
            await broker.publish(
                broker.topology.commands, service, envelope, timeout_seconds=PUBLISH_TIMEOUT_SECONDS
            )
        except MessagingError as error:
            log.info("kept submission not published yet", payment=envelope.subject, reason=error.code)
            await asyncio.sleep(PAUSE_SECONDS)
        else:
            return
