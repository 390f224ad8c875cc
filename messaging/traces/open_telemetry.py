"""Spans recorded by OpenTelemetry's SDK. Nothing imports this module unless traces are recorded."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from messaging.traces import Attributes, Kind, Span, Value, ids_of

_KINDS: Mapping[Kind, SpanKind] = {
    "server": SpanKind.SERVER,
    "client": SpanKind.CLIENT,
    "producer": SpanKind.PRODUCER,
    "consumer": SpanKind.CONSUMER,
    "internal": SpanKind.INTERNAL,
}
_chosen: ContextVar[tuple[int, int] | None] = ContextVar("chosen ids", default=None)
_propagator = TraceContextTextMapPropagator()


class ChosenIds(RandomIdGenerator):
    """A generator of ids: derived for the first span of a subject's trace, and otherwise random."""

    def generate_trace_id(self) -> int:
        """See ``IdGenerator``."""
        chosen = _chosen.get()
        return super().generate_trace_id() if chosen is None else chosen[0]

    def generate_span_id(self) -> int:
        """See ``IdGenerator``."""
        chosen = _chosen.get()
        return super().generate_span_id() if chosen is None else chosen[1]


class OpenTelemetry:
    """The recorder (``messaging.traces.Recorder``). ``sdk`` must generate ids with ``ChosenIds``."""

    def __init__(self, sdk: TracerProvider) -> None:
        self._sdk = sdk
        self._tracer = sdk.get_tracer("messaging")

    @contextmanager
    def span(self, name: str, kind: Kind, attributes: Attributes) -> Iterator[Span]:
        """See ``Recorder``."""
        with self._open(name, kind, attributes, None, ()) as span:
            yield span

    @contextmanager
    def entry(
        self,
        name: str,
        kind: Kind,
        attributes: Attributes,
        *,
        about: str,
        headers: Mapping[str, object] | None,
        is_late: bool,
    ) -> Iterator[Span]:
        """See ``Recorder``."""
        first = self._first_of(about) if about else None
        parent = first if headers is None else _context_in(headers)
        links = []
        if parent is not None and is_late:
            links.append(Link(parent))
            parent = None
        known = parent or (links[0].context if links else None)
        if first is not None and (known is None or known.trace_id != first.trace_id):
            links.append(Link(first))
        # The context never is the present span, which may be the sender's in another task of this process.
        context = Context()
        if parent is not None:
            context = trace.set_span_in_context(NonRecordingSpan(parent), context)
        if about:
            attributes = {**attributes, "subject": about}
        with self._open(name, kind, attributes, context, links) as span:
            yield span

    def open_trace_of(self, subject: str, name: str) -> None:
        """See ``Recorder``."""
        present = trace.get_current_span()
        context = present.get_span_context()
        links = [Link(context)] if context.is_valid else []
        token = _chosen.set(ids_of(subject))
        try:
            first = self._tracer.start_span(name, Context(), attributes={"subject": subject}, links=links)
        finally:
            _chosen.reset(token)
        first.end()
        present.add_link(first.get_span_context())

    def headers(self) -> Mapping[str, str]:
        """See ``Recorder``."""
        carried: dict[str, str] = {}
        _propagator.inject(carried)
        return carried

    def trace_id(self) -> str:
        """See ``Recorder``."""
        context = trace.get_current_span().get_span_context()
        return f"{context.trace_id:032x}" if context.is_valid else ""

    @contextmanager
    def _open(
        self,
        name: str,
        kind: Kind,
        attributes: Attributes,
        context: Context | None,
        links: "list[Link] | tuple[()]",
    ) -> Iterator[Span]:
        # The texts of errors are not recorded, because some repeat input from outside.
        with self._tracer.start_as_current_span(
            name,
            context,
            kind=_KINDS[kind],
            attributes=attributes,
            links=links,
            record_exception=False,
            set_status_on_exception=False,
        ) as own:
            span = _Recorded(own)
            try:
                yield span
            except BaseException as error:
                span.fail(type(error).__name__)
                raise

    def _first_of(self, subject: str) -> SpanContext:
        """Return the context of the first span of the subject's trace, with that span's sampling decision."""
        trace_id, span_id = ids_of(subject)
        decision = self._sdk.sampler.should_sample(Context(), trace_id, subject).decision
        flags = TraceFlags(
            TraceFlags.SAMPLED if decision == Decision.RECORD_AND_SAMPLE else TraceFlags.DEFAULT
        )
        return SpanContext(trace_id, span_id, is_remote=True, trace_flags=flags)


class _Recorded:
    """A ``Span`` that wraps one of the SDK."""

    __slots__ = ("_span",)

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def note(self, name: str, value: Value) -> None:
        """See ``Span``."""
        self._span.set_attribute(name, value)

    def fail(self, reason: str) -> None:
        """See ``Span``."""
        self._span.set_attribute("error.type", reason)
        self._span.set_status(Status(StatusCode.ERROR))


def _context_in(headers: Mapping[str, object]) -> SpanContext | None:
    """Return the span in a message's headers, which may come from other programs."""
    carried = {name: value for name, value in headers.items() if isinstance(value, str)}
    context = trace.get_current_span(_propagator.extract(carried, Context())).get_span_context()
    return context if context.is_valid else None
