"""A step of your own in the purchase: the command that is asked, and what follows from its answers."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from checkout.messages import Command, Done

# The fields of the purchase that a command of yours may have.
FIELDS = frozenset(
    {
        "payment",
        "attempt",
        "minor",
        "currency",
        "email",
        "ip_address",
        "lines",
        "captures",
        "merchant",
        "order_reference",
        "description",
    }
)
# The name is part of the name of a row's step, and of an advice for shoppers.
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_REASON = re.compile(r"[a-z][a-z_]{0,49}")


class Place(StrEnum):
    """The place of a step in the purchase.

    ``BEFORE_AUTHORISATION`` is after the stock has been reserved, and before the provider is asked.
    ``AFTER_CAPTURE`` is after the order has been confirmed and the receipt sent. For a payment that is
    captured by hand, that is after its authorisation, and the field ``captures`` of the command is false.
    """

    BEFORE_AUTHORISATION = "before authorisation"
    AFTER_CAPTURE = "after capture"


@dataclass(frozen=True, kw_only=True)
class OwnStep:
    """A step of your own.

    - ``name`` is stored with each purchase that stands at the step, so it is never changed.
    - ``asks`` is the command. Its fields are some of ``FIELDS``.
    - ``goes_on`` has the answers after which the purchase goes on.
    - ``refuses`` has the other answers, each with the reason for which the payment is then refused. A step
      after the capture refuses nothing: any other answer, an error, or none is a task for staff.
    - ``undo`` is the command that undoes the step. It is asked, until it succeeds, if the payment is refused
      or cancelled after the step was begun. The service may get it before ``asks``, or without it: then it
      remembers that the step is undone.
    - ``within_seconds`` is the time for an answer, by default that of the gateway's own services.
    - If it ``may_be_repeated``, the service knows what it has done, and asking again has no second effect.
      Otherwise the command is asked again only after an error that says that nothing was done, or by staff.
    """

    name: str
    place: Place
    asks: type[Command[Any]]
    goes_on: Collection[StrEnum]
    refuses: Mapping[StrEnum, str] = field(default_factory=dict)
    undo: type[Command[Done]] | None = None
    within_seconds: float | None = None
    may_be_repeated: bool = True

    @property
    def commands(self) -> list[type[Command[Any]]]:
        """The commands of the step."""
        return [self.asks, self.undo] if self.undo else [self.asks]


def faults_of(steps: Collection[OwnStep]) -> Iterator[str]:
    """Yield a sentence about everything for which these steps cannot be taken."""
    names = [step.name for step in steps]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"Two steps are called {name!r}."
    for step in steps:
        yield from (f"Step {step.name!r}: {fault}." for fault in _faults_of(step))


def _faults_of(step: OwnStep) -> Iterator[str]:
    if not _NAME.fullmatch(step.name):
        yield "a name has at most 40 small letters, digits and underscores, and begins with a letter"
    for command in step.commands:
        if lacking := sorted(set(command.__struct_fields__) - FIELDS):
            yield f"a purchase has no {', '.join(lacking)} for {command.__name__}"
    if step.within_seconds is not None and step.within_seconds <= 0:
        yield "within_seconds is more than 0"
    if step.undo is not None and step.undo.answer is not Done:
        yield f"{step.undo.__name__} is a Command[Done], as an undo always succeeds in the end"
    if step.asks.answer is None:
        yield f"{step.asks.__name__} has no answer"
        return
    words = set(step.asks.answer.vocabulary())
    if strange := sorted({*step.goes_on, *step.refuses} - words):
        yield f"{step.asks.__name__} never answers {', '.join(strange)}"
    if not step.goes_on:
        yield "no answer lets the purchase go on"
    if both := sorted(set(step.goes_on) & set(step.refuses)):
        yield f"{', '.join(both)} cannot both go on and refuse"
    if step.place is Place.AFTER_CAPTURE and step.refuses:
        yield "it refuses nothing, because the money has been taken"
    missing = sorted(words - {*step.goes_on, *step.refuses})
    if step.place is Place.BEFORE_AUTHORISATION and missing:
        yield f"what follows from {', '.join(missing)} is not said"
    for reason in step.refuses.values():
        if not _REASON.fullmatch(reason):
            yield f"{reason!r} is no reason: at most 50 small letters and underscores"
