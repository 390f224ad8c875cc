"""The held tier: publish a committed command and wait for what comes of it, within the time budget."""

import structlog

from checkout import crash_points
from checkout.conf import conf
from checkout.errors import MessagingError
from checkout.messaging import rpc
from checkout.operations import Pending
from checkout.states import PaymentState

log = structlog.get_logger(__name__)


async def answer(
    pending: Pending, *, sealed_card: str = "", budget_seconds: float | None = None
) -> PaymentState | None:
    """Return where the payment stands as soon as there is something to tell.

    None when the budget is over, the broker is away or the answer was lost: the command itself is in the
    outbox, so that only the fast answer is. The caller then shows the status page. Never raises a
    ``MessagingError``; holds no thread and no database connection.
    """
    if pending.message_id:
        crash_points.reached("web.intent_committed")
    try:
        told = await rpc.acall(
            "checkout",
            pending.type,
            pending.body,
            timeout_seconds=conf.reply_budget_seconds if budget_seconds is None else budget_seconds,
            message_id=pending.message_id or None,
            subject=pending.payment,
            # A mere question needs no card: it is answered at once, and the card would travel back with it.
            sealed=sealed_card if pending.message_id else "",
        )
    except MessagingError as error:
        log.info("no answer in time", payment=pending.payment, type=pending.type, reason=error.code)
        return None
    return PaymentState(told["state"])
