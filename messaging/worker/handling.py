"""One run of a handler. Its message is recorded as handled in the same transaction, or before."""

from typing import Any

from django.db import OperationalError

from messaging.concurrency.database import is_busy
from messaging.outbox.models import AlreadyHandled
from messaging.worker.message import Message, Outgoing
from messaging.worker.service import CommandRejected, Handler

# The handler of a command that is no longer wanted.
OBSOLETE = Handler(lambda body, message: None, decode=bytes, transactional=True)


class BusyOutside(Exception):
    """A database was busy for a handler that may already have acted outside its transaction.

    Such a handler must not be repeated as often as one whose transaction was rolled back.
    """


def handle(handler: Handler, body: Any, message: Message) -> list[Outgoing]:
    """Run the handler, and return the messages to publish now. Runs in a thread.

    Raises CommandRejected for a rejected command whose sender waits for no reply; the message then does not
    count as handled. Raises BusyOutside in place of the error of a busy database if the handler is not
    transactional.
    """
    try:
        try:
            if handler.transactional:
                with message.once():
                    result = handler.function(body, message)
                    if result is not None:
                        message.reply(result)
            elif (result := handler.function(body, message)) is not None:
                with message.once():
                    message.reply(result)
        except CommandRejected as rejection:
            if not message.envelope.reply_to:
                message.refuse_repetition()
                raise
            with message.once():
                message.reply_error(rejection.code, rejection.text, rejection.retryable)
    except AlreadyHandled:
        return message.left_unpublished()
    except OperationalError as error:
        if is_busy(error) and not handler.transactional:
            raise BusyOutside(str(error)) from error
        raise
    return message.after_commit
