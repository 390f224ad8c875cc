"""The declaration of a setting: its name, default, bounds and meaning in one place."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Any, Generic, Self, TypeVar, overload

from django.conf import settings
from django.core.signals import setting_changed

T = TypeVar("T")

# The longest duration of a setting: a hundred years. Dates that are much further away cannot be calculated.
LONGEST_SECONDS = 36_500 * 86_400


class Setting(Generic[T]):
    """A value that is read from the Django setting ``name``, with a default.

    It is read once for each object that has it, and converted by ``read``, or by ``type`` without that. The
    parser of environment variables also uses ``type`` and ``bounds`` (``ge``, ``gt``, ``le``, ``pattern``).
    """

    def __init__(
        self,
        name: str,
        default: Any,
        help: str,
        *,
        type: Any = None,
        read: Callable[[Any], T] | None = None,
        **bounds: Any,
    ) -> None:
        self.name = name
        self.default = default
        self.help = help
        self.type: Any = type or default.__class__
        self.bounds = bounds
        self.attribute = ""
        self._read: Callable[[Any], Any] = read or self.type

    def __set_name__(self, owner: object, attribute: str) -> None:
        self.attribute = attribute

    @overload
    def __get__(self, instance: None, owner: object) -> Self: ...

    @overload
    def __get__(self, instance: object, owner: object) -> T: ...

    def __get__(self, instance: object | None, owner: object) -> Self | T:
        if instance is None:
            return self
        value: T = self._read(getattr(settings, self.name, self.default))
        # From now on Python finds the attribute in the instance, before this descriptor.
        vars(instance)[self.attribute] = value
        return value


def whole(name: str, default: int, help: str, **bounds: Any) -> Setting[int]:
    """Declare a setting that is an integer."""
    return Setting(name, default, help, **bounds)


def number(name: str, default: float, help: str, **bounds: Any) -> Setting[float]:
    """Declare a setting that is a number, for example of seconds, up to a hundred years of them."""
    return Setting(name, default, help, type=float, **{"le": LONGEST_SECONDS, **bounds})


def text(name: str, default: str, help: str, **bounds: Any) -> Setting[str]:
    """Declare a setting that is a text."""
    return Setting(name, default, help, **bounds)


def flag(name: str, default: bool, help: str) -> Setting[bool]:
    """Declare a setting that is on or off."""
    return Setting(name, default, help)


def texts(name: str, default: str, help: str, **bounds: Any) -> Setting[Sequence[str]]:
    """Declare a setting that is a list of texts with commas between them."""
    return Setting(name, default, help, type=str, read=_texts, **bounds)


def _texts(value: str | Iterable[str]) -> Sequence[str]:
    return tuple(comma_separated(value) if isinstance(value, str) else value)


def duration(name: str, default_seconds: float, help: str, **bounds: Any) -> Setting[timedelta]:
    """Declare a setting of seconds, up to a hundred years, which is read as a ``timedelta``."""
    return Setting(
        name,
        default_seconds,
        help,
        type=float,
        read=lambda value: timedelta(seconds=float(value)),
        **{"le": LONGEST_SECONDS, **bounds},
    )


def comma_separated(text: str) -> list[str]:
    """Return the parts of a text with commas between them, without the spaces around each."""
    return [part.strip() for part in text.split(",") if part.strip()]


def declared(owner: type) -> Iterator[Setting[Any]]:
    """Yield the settings that a class declares or inherits, in the order of their declaration."""
    for base in reversed(owner.__mro__):
        yield from (value for value in vars(base).values() if isinstance(value, Setting))


def reread_on_change(owner: T) -> T:
    """Return ``owner``, whose settings are read again after ``setting_changed``, which tests send."""
    setting_changed.connect(lambda **_change: vars(owner).clear(), weak=False)
    return owner
