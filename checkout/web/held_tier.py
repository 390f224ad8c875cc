"""The held tier: publish a committed command and wait for its result, within the time budget."""

import asyncio
from collections.abc import Callable
from functools import partial

import structlog
from channels.layers import get_channel_layer
from django.db import InterfaceError, OperationalError

from checkout.conf import conf
from checkout.payments import actions
from checkout.payments.actions import Pending
from checkout.payments.checkout_messages import SubmitPayment
from checkout.privacy.card_seal import seal_card
from checkout.states import PaymentState
from checkout.web import pending_publishes
from messaging import crash_points, rpc
from messaging.concurrency.database import in_thread, tells_of_a_lost_connection, warn_unless_away
from messaging.envelope import new_message_id
from messaging.errors import MalformedMessage, MessagingError, RemoteError, ReplyTimeout
from messaging.logs import work
from payments_gateway.serving.process.graceful_shutdown import drain

log = structlog.get_logger(__name__)

DATABASE_PAUSE_SECONDS = 0.5


async def commit_and_answer(
    sealed_card: str, budget_seconds: float, action: Callable[[str], Pending]
) -> PaymentState | None:
    """Run ``action`` in a database thread, and pass its result to ``answer``.

    ``action`` takes the id of the message that it writes. If the shopper disconnects meanwhile, for example
    by a second click, the payment is submitted nevertheless, although no request waits for its result.
    """
    begun_at = asyncio.get_running_loop().time()
    until = begun_at + budget_seconds
    committing = asyncio.ensure_future(_committed(action, until))
    try:
        pending = await asyncio.shield(committing)
    except asyncio.CancelledError:
        committing.add_done_callback(partial(_keep_what_was_committed, sealed_card, begun_at))
        raise
    left_seconds = until - asyncio.get_running_loop().time()
    return await answer(pending, sealed_card=sealed_card, budget_seconds=left_seconds, begun_at=begun_at)


async def _committed(action: Callable[[str], Pending], until: float) -> Pending:
    """Run the action. After a lost connection, repeat it until its commit is known, or until ``until``.

    ``until`` is a time of the event loop. If the connection was lost during the commit, the outcome of the
    commit is unknown. Therefore the action is repeated with the same message id, so that it finds the rows of
    the first try. If the server does not answer, that is noticed only at ``until``, and the action is then
    repeated once. Raises the errors of the action.
    """
    message_id, loop = new_message_id(), asyncio.get_running_loop()
    may_be_committed = is_last = False
    while True:
        try:
            return await in_thread(action, message_id)
        except (OperationalError, InterfaceError) as error:
            may_be_committed = may_be_committed or tells_of_a_lost_connection(error)
            is_late = loop.time() + DATABASE_PAUSE_SECONDS >= until
            if drain.has_begun or is_last or (is_late and not may_be_committed):
                raise
            is_last = is_late
            warn_unless_away("database busy, asking again", error)
        await asyncio.sleep(DATABASE_PAUSE_SECONDS)


async def answer(
    pending: Pending,
    *,
    sealed_card: str = "",
    budget_seconds: float | None = None,
    begun_at: float | None = None,
) -> PaymentState | None:
    """Publish the command, and return the payment's state as soon as there is one to report.

    Returns None if the budget is over, the broker is unavailable, the answer was lost or this process is
    about to end. The command is not lost, because it is in the outbox. The caller shows the status page.

    A card leaves this process only under its second seal. The card is not in the outbox, so it is kept in
    memory until it can be published. It is kept for a limited time from ``begun_at`` (in the loop's time; by
    default now), because the first of several tries may have committed the command. Never raises a
    ``MessagingError``, and holds no thread and no database connection.
    """
    sealed = _sealed_again(pending, sealed_card)
    begun_at = asyncio.get_running_loop().time() if begun_at is None else begun_at
    if pending.message_id:
        crash_points.reached("web.intent_committed")
    budget_seconds = conf.reply_budget_seconds if budget_seconds is None else budget_seconds
    if budget_seconds <= 0 or drain.has_begun:
        if pending.message_id:
            pending_publishes.keep(pending, sealed, since=begun_at)
        return None
    try:
        result = await rpc.acall(
            *pending.command.address,
            pending.command,
            timeout_seconds=budget_seconds,
            message_id=pending.message_id or None,
            subject=pending.payment,
            sealed=sealed,
            headers=work.headers(),
        )
        told = pending.command.read_answer(result)
    except MessagingError as error:
        log.info("no answer in time", payment=pending.payment, type=pending.command.to, reason=error.code)
        if sealed and not isinstance(error, ReplyTimeout | RemoteError | MalformedMessage):
            # After these errors the command may have been published.
            pending_publishes.keep(pending, sealed, since=begun_at)
        return None
    except asyncio.CancelledError:
        if sealed:
            pending_publishes.keep(pending, sealed, since=begun_at)
        raise
    return told.state


async def news(
    reference: str, is_news: Callable[[PaymentState], bool], *, budget_seconds: float
) -> PaymentState:
    """Wait until ``is_news`` is true of the payment's state or the budget is over. Return the state.

    The function receives the same pushes as pages do, and reads the payment's row after each push. Raises
    ``PaymentNotFound``, but never a ``MessagingError``. Holds no thread and no database connection.
    """
    state = await in_thread(actions.payment_state, reference)
    if is_news(state) or budget_seconds <= 0 or drain.has_begun:
        return state
    layer = get_channel_layer()
    group, channel = actions.group_of(reference), ""
    try:
        async with asyncio.timeout(budget_seconds) as limit:
            with drain.shortens(limit, to_seconds=0):
                channel = await layer.new_channel()
                await layer.group_add(group, channel)
                # The group is joined before the row is read, so that no change is missed in between.
                state = await in_thread(actions.watch_payment, reference)
                while not is_news(state):
                    await layer.receive(channel)
                    state = await in_thread(actions.payment_state, reference)
                return state
    except (TimeoutError, MessagingError):
        return await in_thread(actions.payment_state, reference)  # a push may be lost
    finally:
        if channel:
            await layer.group_discard(group, channel)


def _keep_what_was_committed(sealed_card: str, begun_at: float, committed: "asyncio.Future[Pending]") -> None:
    if committed.cancelled() or committed.exception() is not None:
        return
    pending = committed.result()
    if pending.message_id:
        pending_publishes.keep(pending, _sealed_again(pending, sealed_card), since=begun_at)


def _sealed_again(pending: Pending, sealed_card: str) -> str:
    """Return the card under its second seal; empty without a card, or if the command needs none.

    Only a submission needs the card. Any other command is answered at once.
    """
    if not sealed_card or not isinstance(pending.command, SubmitPayment):
        return ""
    return seal_card(sealed_card, pending.command.attempt)
