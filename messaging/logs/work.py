"""The work of the present task: facts for its log lines, and headers for the messages that it causes.

A task begins a work, and its threads share it, as they copy its context. Facts are collected only when a line
is written, so a work without lines costs next to nothing.
"""

import re
from collections.abc import Mapping
from contextvars import ContextVar

from messaging import traces

# Facts that travel with messages in the header ``baggage`` (W3C Baggage). Their values must have this form.
TRAVELLING_FACTS = ("request_id", "merchant")
# The headers of W3C Trace Context.
CONTEXT = ("traceparent", "tracestate")
_VALUE = re.compile(r"[\w.-]{1,100}", re.ASCII)


class Work:
    """A work, with the facts that were noted since it began."""

    __slots__ = ("_noted",)

    def __init__(self) -> None:
        self._noted: Mapping[str, object] = {}

    def note(self, **facts: object) -> None:
        """Add facts."""
        self._noted = {**self._noted, **facts}

    def facts(self) -> Mapping[str, object]:
        """Return all facts that are known now."""
        return self._noted

    def headers(self) -> Mapping[str, str]:
        """Return the headers of messages that this work causes."""
        baggage = baggage_of(self.facts())
        return {"baggage": baggage} if baggage else {}


_present: ContextVar[Work | None] = ContextVar("work", default=None)


def begin(work: Work) -> None:
    """Make this the work of the present task."""
    _present.set(work)


def note(**facts: object) -> None:
    """Add facts to the present work, if there is one."""
    if (work := _present.get()) is not None:
        work.note(**facts)


def facts() -> Mapping[str, object]:
    """Return the facts about the present work, and the id of its trace if one is recorded."""
    work = _present.get()
    facts = {} if work is None else work.facts()
    return {**facts, "trace_id": trace_id} if (trace_id := traces.trace_id()) else facts


def headers() -> Mapping[str, str]:
    """Return the headers of messages that the present work causes."""
    work = _present.get()
    carried = {} if work is None else work.headers()
    if traced := traces.headers():
        # The trace context in these headers is the sender's, not ours.
        return {**{name: value for name, value in carried.items() if name not in CONTEXT}, **traced}
    return carried


def note_on(span: traces.Span) -> None:
    """Note on a span the facts of the present work that travel with messages."""
    told = facts()
    for name in TRAVELLING_FACTS:
        if value := str(told.get(name, "")):
            span.note(name, value)


def baggage_of(facts: Mapping[str, object]) -> str:
    """Return the value of the header ``baggage``: the facts that travel with messages."""
    told = ((name, str(facts.get(name, ""))) for name in TRAVELLING_FACTS)
    return ",".join(f"{name}={value}" for name, value in told if _VALUE.fullmatch(value))


def facts_in(baggage: str) -> dict[str, object]:
    """Return the facts in a header ``baggage``, which may come from other programs."""
    pairs = (each.strip().partition("=") for each in baggage[:1_000].split(","))
    return {name: value for name, _, value in pairs if name in TRAVELLING_FACTS and _VALUE.fullmatch(value)}
