"""Commands of the sagas' services must be the question of a saga that still waits for the answer.

The sender's broker user says who may ask at all. Its password alone moves no money, books nothing and calls
nothing off: whoever asks must know the question's name, which is random, and ask just that question. The
database knows both.
"""

from hashlib import sha256

from checkout.commands import Body
from checkout.models import SagaStep
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
    """Check that a saga of this payment has asked just this, and waits for the answer.

    Raises NotEntitled if none has asked, or not in these words, and Obsolete if it waits no more: it has
    asked again, or gone on without the answer.
    """
    name = message.correlation_id
    asked = _ASKED.first(name) if name else None
    payment = getattr(command, "payment", "")
    if asked is None or asked.command != message.envelope.type or asked.saga.payment.reference != payment:
        raise NotEntitled(f"no saga of {payment or 'a payment'} has asked for this {message.envelope.type}")
    if asked.body_sha256 and asked.body_sha256 != sha256(message.envelope.body).hexdigest():
        raise NotEntitled(f"its saga has asked for another {message.envelope.type}")
    if asked.saga.awaiting != name:
        raise Obsolete("its saga waits for it no more")
