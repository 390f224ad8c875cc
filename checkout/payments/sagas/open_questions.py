"""Admit a command only if a saga has sent it as a question, and still waits for the answer.

The broker's permissions decide which programs may send a command at all. The password of such a program must
not be enough to move money, or to book or cancel anything: the sender must also know the question's
correlation id, which is random, and send exactly that question. Id and question are compared with the
database.
"""

from hashlib import sha256

from checkout.messages import Body
from checkout.payments.messages import InquirePayment
from checkout.payments.models import Attempt, SagaStep
from messaging.compiled_queries import Compiled
from messaging.worker.service import Message, NotEntitled, Obsolete

_ASKED = Compiled(
    lambda name: (
        SagaStep.objects.select_related("saga__payment")
        .only("command", "body_sha256", "saga__awaiting", "saga__payment__reference")
        .filter(correlation_id=name)
    )
)


def require_open_question(command: Body, message: Message) -> None:
    """Check that a saga of this payment has sent exactly this command, and waits for the reply.

    Raises NotEntitled if no saga has sent it, or not with this body, and Obsolete if the saga has asked again
    or gone on without a reply.
    """
    name = message.correlation_id
    asked = _ASKED.first(name) if name else None
    payment = getattr(command, "payment", "")
    if asked is None or asked.command != message.envelope.type or asked.saga.payment.reference != payment:
        raise NotEntitled(f"no saga of {payment or 'a payment'} has asked for this {message.envelope.type}")
    if asked.body_sha256 != sha256(message.envelope.body).hexdigest():
        raise NotEntitled(f"its saga has asked for another {message.envelope.type}")
    if asked.saga.awaiting != name:
        raise Obsolete("its saga waits for it no more")


_INQUIRIES = Compiled(
    lambda attempt, command: (
        SagaStep.objects.only("pk").filter(saga__attempt=attempt, command=command).order_by()
    )
)


def is_inquired(attempt: Attempt) -> bool:
    """Return True if the attempt's purchase has inquired about it, and so may wait to inquire again."""
    return _INQUIRIES.first(attempt.pk, InquirePayment.to) is not None
