"""Spans of what this process does, for traces across processes (``Observe it`` in ``README.md``).

Nothing is recorded until ``begin`` is called. Until then each place that records only looks whether there is
a recorder. The context of a span travels in the headers of W3C Trace Context.

Each subject of messages has a trace of its own, whose first span is recorded by ``open_trace_of``. The ids of
that span are derived from the subject, so that every process can name it without storing anything.
"""

import hashlib
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Literal, Protocol

Kind = Literal["server", "client", "producer", "consumer", "internal"]
Value = str | int | float | bool
Attributes = Mapping[str, Value]

# A message that has waited longer begins a trace of its own, with a link to the span of its sender.
LATE_SECONDS = 300


class Span(Protocol):
    """A span that has not ended."""

    def note(self, name: str, value: Value) -> None:
        """Add an attribute. Its value is a name, number or reference, never text from outside or a secret."""

    def fail(self, reason: str) -> None:
        """Mark the span as failed. The reason is one word."""


class Recorder(Protocol):
    """A library that records spans. Its context managers also end a span when an error leaves it."""

    def span(self, name: str, kind: Kind, attributes: Attributes) -> AbstractContextManager[Span]:
        """Record a child of the present span."""

    def entry(
        self,
        name: str,
        kind: Kind,
        attributes: Attributes,
        *,
        about: str,
        headers: Mapping[str, object] | None,
        is_late: bool,
    ) -> AbstractContextManager[Span]:
        """Record the first span of this process about a subject (see ``entry``)."""

    def open_trace_of(self, subject: str, name: str) -> None:
        """Record the first span of the subject's trace (see ``open_trace_of``)."""

    def headers(self) -> Mapping[str, str]:
        """Return the headers that carry the context of the present span; empty if there is none."""

    def trace_id(self) -> str:
        """Return the id of the present span's trace, as 32 hexadecimal digits; empty if there is none."""


class _Nothing:
    def note(self, name: str, value: Value) -> None:
        """See ``Span``."""

    def fail(self, reason: str) -> None:
        """See ``Span``."""


# The span that stands for all spans while nothing is recorded.
NOTHING: AbstractContextManager[Span] = nullcontext(_Nothing())
_recorder: Recorder | None = None


def begin(recorder: Recorder) -> None:
    """Record spans from now on."""
    global _recorder
    _recorder = recorder


def end() -> None:
    """Record no more spans."""
    global _recorder
    _recorder = None


def is_on() -> bool:
    """Return True if spans are recorded."""
    return _recorder is not None


def span(name: str, kind: Kind = "internal", /, **attributes: Value) -> AbstractContextManager[Span]:
    """Record a child of the present span while this context is open."""
    return NOTHING if _recorder is None else _recorder.span(name, kind, attributes)


def entry(
    name: str,
    kind: Kind,
    attributes: Attributes,
    *,
    about: str = "",
    headers: Mapping[str, object] | None = None,
    is_late: bool = False,
) -> AbstractContextManager[Span]:
    """Record the first span of this process about a subject while this context is open.

    The parent is the span in the ``headers`` of a message, or without ``headers`` the first span of the trace
    of ``about``. If there is no parent, or the span ``is_late``, it begins a trace of its own, with links to
    the parent and to the trace of ``about``.
    """
    if _recorder is None:
        return NOTHING
    return _recorder.entry(name, kind, attributes, about=about, headers=headers, is_late=is_late)


def open_trace_of(subject: str, name: str) -> None:
    """Record the first span of the subject's trace, which is linked to the present span."""
    if _recorder is not None:
        _recorder.open_trace_of(subject, name)


def headers() -> Mapping[str, str]:
    """Return the headers that carry the context of the present span; empty if there is none."""
    return {} if _recorder is None else _recorder.headers()


def trace_id() -> str:
    """Return the id of the present span's trace, as 32 hexadecimal digits; empty if there is none."""
    return "" if _recorder is None else _recorder.trace_id()


def ids_of(subject: str) -> tuple[int, int]:
    """Return the ids of the subject's trace (128 bits) and of its first span (64 bits)."""
    digest = hashlib.sha256(b"trace:" + subject.encode("utf-8", "replace")).digest()
    return int.from_bytes(digest[:16]) or 1, int.from_bytes(digest[16:24]) or 1


def trace_id_of(subject: str) -> str:
    """Return the id of the subject's trace, as 32 hexadecimal digits."""
    return f"{ids_of(subject)[0]:032x}"
