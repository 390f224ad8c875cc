"""Spans that this process records, kept in memory."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from messaging import traces
from messaging.traces.open_telemetry import ChosenIds, OpenTelemetry


class Recorded:
    """The spans that have ended."""

    def __init__(self, exporter: InMemorySpanExporter) -> None:
        self._exporter = exporter

    def __iter__(self) -> Iterator[ReadableSpan]:
        return iter(self._exporter.get_finished_spans())

    def of(self, name: str) -> list[ReadableSpan]:
        """Return the spans with this name, in the order of their ends."""
        return [span for span in self if span.name == name]

    def trace_of(self, subject: str) -> list[ReadableSpan]:
        """Return the spans of the subject's trace."""
        number, _ = traces.ids_of(subject)
        return [span for span in self if span.context.trace_id == number]

    def line_of(self, span: ReadableSpan) -> Sequence[str]:
        """Return the names of the span's ancestors, from the first one on, and the span's own name."""
        names, known = [span.name], {each.context.span_id: each for each in self}
        while span.parent is not None:
            span = known[span.parent.span_id]
            names.insert(0, span.name)
        return names


@contextmanager
def recorded_spans() -> Iterator[Recorded]:
    """Record every span inside this context."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(id_generator=ChosenIds())
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    traces.begin(OpenTelemetry(provider))
    try:
        yield Recorded(exporter)
    finally:
        traces.end()
        provider.shutdown()


def attributes_of(span: ReadableSpan) -> Mapping[str, Any]:
    """Return the attributes of a span."""
    return span.attributes or {}


def linked_traces(span: ReadableSpan) -> set[str]:
    """Return the ids of the traces to which a span is linked."""
    return {f"{link.context.trace_id:032x}" for link in span.links}
