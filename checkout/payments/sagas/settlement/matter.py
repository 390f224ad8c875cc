"""Matters that are open between the provider's books and ours, and the decisions of staff on them.

There are three kinds: an operation without a certain outcome, the claim of a notification, and the figures of
an attempt. ``settle.py`` carries the decisions out.
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
    """An open matter and the decision of staff on it, with its rows under lock.

    ``noun`` names the matter's row in errors. ``fact`` is the kind of the fact that records the decision.
    """

    payment: Payment
    attempt: Attempt

    noun: ClassVar[str]
    fact: ClassVar[str]

    @property
    @abstractmethod
    def seen_now(self) -> str:
        """A text of all that is known about the matter now. It differs as soon as more is known."""

    @property
    @abstractmethod
    def said(self) -> str:
        """The decision, in the form that facts record."""

    @property
    def named(self) -> Mapping[str, object]:
        """The fields of facts that tell this matter from others of the attempt."""
        return {}

    @property
    def details(self) -> Mapping[str, object]:
        """Further fields of the fact that records the decision."""
        return {}

    @property
    def holds_later(self) -> bool:
        """Return True if the decision is right although more has become known since."""
        return False

    @classmethod
    def in_words(cls, said: str) -> str:
        """Return a recorded decision on a matter of this kind in words."""
        return said

    @property
    @abstractmethod
    def obstacle(self) -> str:
        """The reason why staff cannot make this decision, and what to do instead; empty if they can."""

    @abstractmethod
    def carry_out(self, by: str, message: Message, *, is_as_seen: bool) -> None:
        """Change our books, and signal the decision to the sagas. There is no obstacle."""


def seen_of_saga(saga: Saga) -> str:
    """Return a text that changes when a saga learns more: its version, and the count of issuers' operations.

    The answer to an earlier question may still arrive while staff decide, and book the event that it
    confirms.
    """
    by_issuers = Operation.objects.filter(attempt_id=saga.attempt_id, kind__in=ISSUERS)
    return f"{saga.version}.{by_issuers.count()}"


def seen_of_payment(payment: Payment) -> str:
    """Return a digest of all that is known about a payment.

    The digest includes the events, because states and amounts may be the same at a second contradiction as at
    the first, which was settled. It includes the latest notification, because staff may have looked the order
    up before it, and it moves nothing by itself.
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
