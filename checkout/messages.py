"""The base classes of messages: the commands that services send to each other, and their answers.

A command is a class. It names its type on the wire (``to``) and the class of its answer, and its fields are
the body. The classes are in the ``messages.py`` of the service that answers them, and
``checkout/message_registry.py`` lists all of them. Bodies are frozen. An unknown field is an error, so that a
sender with another version of the contract is noticed at once. Only classes with ``is_open`` ignore unknown
fields: services outside the gateway may handle these commands, and later releases may add optional fields.
``docs/messages.md`` has the rules of versions, and says how a saga reacts to an error. ``payment`` is a
payment's reference, ``attempt`` an attempt's order code. Amounts are integer minor units with their ISO 4217
currency.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from inspect import getattr_static
from typing import Annotated, Any, ClassVar, Generic, TypeVar, cast, get_args, get_origin, get_type_hints

import msgspec

from messaging.access.participants import service_of
from messaging.errors import MalformedMessage
from messaging.libraries import typed

# One of our own words, or empty. It is stored in a column, and pages have advice for refusal reasons.
Word = Annotated[str, msgspec.Meta(pattern=r"^[a-z_]{0,50}\Z")]
# The last four digits of a card, or empty.
LastDigits = Annotated[str, msgspec.Meta(pattern=r"^(?:[0-9]{4})?\Z")]


class Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The common base class of all message bodies."""


class Answer(Body, frozen=True):
    """The base class of answers to commands. A saga decides by the value of ``says``."""

    @property
    def says(self) -> StrEnum:
        """The decision or outcome that the answer reports."""
        raise NotImplementedError

    @classmethod
    def vocabulary(cls) -> type[StrEnum]:
        """Return the possible values of the answer's ``says``, taken from the property's return type."""
        words: type[StrEnum] = get_type_hints(getattr_static(cls, "says").fget).get("return", StrEnum)
        return words


class Success(StrEnum):
    """The only value of ``says`` for answers without fields."""

    DONE = "done"


class Done(Answer, frozen=True):
    """The answer of a command that was carried out and returns no data."""

    @property
    def says(self) -> Success:
        """The only word."""
        return Success.DONE


AnswerT = TypeVar("AnswerT", bound=Answer | None)


class Command(Body, Generic[AnswerT], frozen=True):
    """A command that a service answers: ``class ReserveStock(Command[StockReserved])``.

    ``to`` is its type on the wire, which begins with the name of the service. A ``Command[None]`` is never
    answered. Every command may be sent again. ``again`` says the effect of that, for ``docs/messages.md``. A
    command that ``is_open`` may have unknown fields.
    """

    to: ClassVar[str]
    again: ClassVar[str]
    answer: ClassVar[type[Answer] | None]
    is_open: ClassVar[bool] = False

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        [base] = (each for each in cls.__orig_bases__ if get_origin(each) is Command)  # type: ignore[attr-defined]
        [answer] = get_args(base)
        cls.answer = None if answer is type(None) else answer

    @property
    def address(self) -> tuple[str, str]:
        """The name of the service that handles the command, and the command's type on the wire."""
        return service_of(self.to), self.to

    @classmethod
    def read_answer(cls, result: Mapping[str, Any]) -> AnswerT:
        """Return the answer in the result of a reply.

        Raises MalformedMessage if the result is not an answer.
        """
        try:
            return cast("AnswerT", typed.convert(result, cast("type[Any]", cls.answer)))
        except msgspec.ValidationError as error:
            # The text of the error is logged, so it does not repeat the received word, which may be anything.
            reason = re.sub(r"(?s)enum value '.*'", "enum value", str(error))
            raise MalformedMessage(f"not an answer to {cls.to}: {reason}") from error
