"""A step of your own in the purchase: its command, and the effect of each answer."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import msgspec

from checkout.messages import Command, Done
from messaging.libraries import typed

# The fields of the purchase that a command of your own may have, each with an example value.
_VALUES: Mapping[str, Any] = {
    "payment": "pay_1",
    "attempt": "pay_1-1",
    "minor": 1250,
    "currency": "GBP",
    "email": "someone@example.com",
    "ip_address": "192.0.2.1",
    "lines": [{"sku": "TEA-100", "quantity": 1}],
    "captures": True,
    "merchant": "A shop",
    "merchant_code": "shop",
    "order_reference": "1001",
    "description": "Darjeeling tea",
    "locale": "en-GB",
    "is_test": False,
}
FIELDS = frozenset(_VALUES)
# The saga's row stores the name as part of its step.
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_REASON = re.compile(r"[a-z][a-z_]{0,49}")
_TYPE = re.compile(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_.]*")
_LONGEST_ADVICE = 200


class Place(StrEnum):
    """The place of a step in the purchase.

    ``BEFORE_AUTHORISATION`` is after the stock has been reserved, and before the provider is asked.
    ``AFTER_CAPTURE`` is after the order has been confirmed and the receipt sent. If the payment is captured
    by hand, that is after the authorisation, and the command's field ``captures`` is false.
    """

    BEFORE_AUTHORISATION = "before authorisation"
    AFTER_CAPTURE = "after capture"


@dataclass(frozen=True, kw_only=True)
class OwnStep:
    """A step of your own.

    - ``name`` is stored with each purchase that stands at the step, so it is never changed. - ``asks`` is the
    command. Its fields are some of ``FIELDS``. - ``goes_on`` has the answers after which the purchase goes
    on. - ``refuses`` has the other answers, each with the reason for which the payment is then refused. A
    step after the capture refuses nothing: any other answer, an error, or none is a task for staff. -
    ``advice`` has a sentence for the shopper about each of these reasons. For a reason without a sentence,
    the shopper is told to ask the shop. - ``undo`` is the command that undoes the step. It is asked, until it
    succeeds, if the payment is refused or cancelled after the step was begun. The service may get it before
    ``asks``, or without it. In either case it must remember that the step is undone.
    - ``within_seconds`` is the time for an answer, by default that of the gateway's own services.
    - If it ``may_be_repeated``, the service knows what it has done, and asking again has no second effect.
      Otherwise the command is asked again only after an error that says that nothing was done, or by staff.
    """

    name: str
    place: Place
    asks: type[Command[Any]]
    goes_on: Collection[StrEnum]
    refuses: Mapping[StrEnum, str] = field(default_factory=dict)
    advice: Mapping[str, str] = field(default_factory=dict)
    undo: type[Command[Done]] | None = None
    within_seconds: float | None = None
    may_be_repeated: bool = True

    @property
    def commands(self) -> list[type[Command[Any]]]:
        """The commands of the step."""
        return [self.asks, self.undo] if self.undo else [self.asks]


def validate_steps(steps: Collection[OwnStep]) -> Iterator[str]:
    """Yield a sentence for each reason why these steps cannot be used."""
    names = [step.name for step in steps]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"Two steps are called {name!r}."
    yield from _types_used_twice(steps)
    for step in steps:
        yield from (f"Step {step.name!r}: {fault}." for fault in _validate_step(step))


def _types_used_twice(steps: Collection[OwnStep]) -> Iterator[str]:
    """Yield a sentence for two classes with the same type on the wire, which no service could tell apart."""
    classes: dict[str, type[Command[Any]]] = {}
    for command in (command for step in steps for command in step.commands):
        type_on_wire = getattr(command, "to", None)
        if type_on_wire is not None and classes.setdefault(type_on_wire, command) is not command:
            yield f"{classes[type_on_wire].__name__} and {command.__name__} are both called {type_on_wire!r}."


def _validate_step(step: OwnStep) -> Iterator[str]:
    if not _NAME.fullmatch(step.name):
        yield "a name has at most 40 small letters, digits and underscores, and begins with a letter"
    if not isinstance(step.place, Place):
        yield f"its place is {step.place!r}, and not a Place, so that it would never be taken"
    if step.within_seconds is not None and step.within_seconds <= 0:
        yield "within_seconds is more than 0"
    strange = list(_validate_commands(step))
    yield from strange
    if not strange:
        yield from _validate_answers(step)


def _validate_commands(step: OwnStep) -> Iterator[str]:
    named: list[Any] = list(step.commands)  # the authors of steps may not use a type checker
    for command in named:
        if not (isinstance(command, type) and issubclass(command, Command)):
            yield f"{command!r} is no class of commands"
        elif not _TYPE.fullmatch(getattr(command, "to", "")):
            yield f'{command.__name__} lacks its type on the wire, such as to = "gifts.wrap"'
        elif lacking := sorted(set(command.__struct_fields__) - FIELDS):
            yield f"a purchase has no {', '.join(lacking)} for {command.__name__}"
        else:
            yield from (f"{command.__name__} cannot be filled in: {why}" for why in _misfits_of(command))


def _misfits_of(command: type[Command[Any]]) -> Iterator[str]:
    """Yield a sentence for each field whose type differs from that of the purchase's field.

    No service could read such a command, and every purchase would be refused.
    """
    try:
        fields = msgspec.structs.fields(command)
    except NameError as error:  # the type is imported for type checkers only
        yield str(error)
        return
    for each in fields:
        try:
            typed.convert(_VALUES[each.name], each.type)
        except msgspec.ValidationError as error:
            # Only an error of the type counts, because the value is an example.
            if re.match(r"Expected .*, got ", str(error)):
                yield f"{each.name} is of type {type(_VALUES[each.name]).__name__}"


def _validate_answers(step: OwnStep) -> Iterator[str]:
    if step.undo is not None and step.undo.answer is not Done:
        yield f"{step.undo.__name__} is a Command[Done], as an undo always succeeds in the end"
    if step.asks.answer is None:
        yield f"{step.asks.__name__} has no answer"
        return
    if isinstance(step.goes_on, str):
        yield f"goes_on is a list: [{step.goes_on!r}]"
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
    yield from _validate_reasons(step)


def _validate_reasons(step: OwnStep) -> Iterator[str]:
    reasons = set(step.refuses.values())
    for reason in sorted(reasons):
        if not _REASON.fullmatch(reason):
            yield f"{reason!r} is no reason: at most 50 small letters and underscores"
    if unused := sorted(set(step.advice) - reasons):
        yield f"there is advice for {', '.join(unused)}, for which it does not refuse"
    for reason, text in sorted(step.advice.items()):
        if not 0 < len(text) <= _LONGEST_ADVICE:
            yield f"the advice for {reason} has 1 to {_LONGEST_ADVICE} characters"
