"""Open matters between the provider's books and ours, and the decisions of staff on them.

There are three kinds: an operation without a certain outcome, the claim of a notification, and the figures of
an attempt. ``settle.py`` has what is done with each of them.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import msgspec

from checkout.payments.books.events import ISSUERS
from checkout.payments.models import Attempt, Operation, Payment, Saga
from checkout.payments.models.payment import NOTIFIED
from checkout.payments.models.saga import UNFINISHED
from messaging.worker.service import Message


@dataclass(slots=True)
class Matter(ABC):
    """One matter and what staff say of it, with its rows under lock.

    ``noun`` names its row in errors, and ``fact`` is the kind of the fact that staff have decided.
    """

    payment: Payment
    attempt: Attempt

    noun: ClassVar[str]
    fact: ClassVar[str]

    @property
    @abstractmethod
    def seen_now(self) -> str:
        """All that is known now, as a text that differs as soon as more is known."""

    @property
    @abstractmethod
    def said(self) -> str:
        """The decision, as it is recorded in facts."""

    @property
    def named(self) -> Mapping[str, object]:
        """The data of facts that tell the matter from others of the attempt."""
        return {}

    @property
    def details(self) -> Mapping[str, object]:
        """More of the decision, for the fact that it was made."""
        return {}

    @property
    def holds_later(self) -> bool:
        """Return True if the decision is right although more has become known since."""
        return False

    @classmethod
    def in_words(cls, said: str) -> str:
        """Return a recorded decision on such a matter in words."""
        return said

    @property
    @abstractmethod
    def obstacle(self) -> str:
        """The reason why staff cannot settle the matter so, and what to do instead; empty if they can."""

    @abstractmethod
    def carry_out(self, by: str, message: Message, *, is_as_seen: bool) -> None:
        """Change our books, and signal it to the sagas. There is no obstacle."""


def seen_of_saga(saga: Saga) -> str:
    """Return what is known about the question of a saga: its version, and how much issuers have moved.

    The answer to an earlier question may still arrive while staff decide, and book what it confirms.
    """
    by_issuers = Operation.objects.filter(attempt_id=saga.attempt_id, kind__in=ISSUERS)
    return f"{saga.version}.{by_issuers.count()}"


def seen_of_payment(payment: Payment) -> str:
    """Return a digest of all that is known about a payment.

    After a contradiction that was settled, all may look the same at the next one, but for the events. Staff
    may have looked the order up before the latest notification, which moves nothing meanwhile.
    """
    events = payment.events.order_by("-sequence")
    told = payment.facts.filter(kind__startswith=NOTIFIED).order_by("-pk")
    open_sagas = payment.sagas.filter(status__in=UNFINISHED)
    standing = (
        payment.state,
        payment.version,
        events.values_list("sequence", flat=True).first(),
        list(payment.attempts.order_by("pk").values_list("order_code", "state")),
        list(payment.operations.order_by("pk").values_list("reference", "state", "amount_minor")),
        list(open_sagas.order_by("pk").values_list("pk", "version")),
        told.values_list("pk", flat=True).first(),
    )
    return hashlib.sha256(msgspec.json.encode(standing)).hexdigest()[:40]
