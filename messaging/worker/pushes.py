"""Pushes from handlers to groups of the channel layer. A push may be lost."""

import structlog
from channels.exceptions import MessageTooLarge
from channels.layers import get_channel_layer

from messaging.errors import MessagingError
from messaging.worker.message import Push

log = structlog.get_logger(__name__)


async def send_push(push: Push) -> None:
    """Send a push. If that fails, only log it."""
    layer = get_channel_layer()
    try:
        await layer.group_send(push.group, push.event)
    except MessagingError as error:
        log.info("push not sent", reason=error.code)
    except MessageTooLarge as error:
        log.error("push not sent", reason=str(error))
