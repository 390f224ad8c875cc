"""A receiver of traces on loopback: OTLP over HTTP, as collectors take it."""

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.support.posts import Headers, answered


@dataclass(frozen=True)
class Received:
    """A span, and the name of the service that recorded it."""

    service: str
    span: Span

    @property
    def name(self) -> str:
        """The span's name."""
        return self.span.name

    @property
    def program(self) -> str:
        """The program whose process recorded the span."""
        return self.service.removeprefix("payments-gateway-")


@dataclass
class Receiver:
    """The address of the receiver, and the spans that it has received."""

    url: str = ""
    spans: list[Received] = field(default_factory=list)

    def take(self, body: bytes) -> None:
        """Keep the spans of a request."""
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            about = {each.key: each.value.string_value for each in resource.resource.attributes}
            for scope in resource.scope_spans:
                self.spans += [Received(about["service.name"], span) for span in scope.spans]

    def trace(self, trace_id: bytes) -> dict[bytes, Received]:
        """Return the spans of a trace by their ids."""
        return {each.span.span_id: each for each in list(self.spans) if each.span.trace_id == trace_id}


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Receive traces inside this context."""
    receiver = Receiver()

    def take(body: bytes, headers: Headers) -> tuple[int, bytes]:
        receiver.take(gzip.decompress(body) if headers["Content-Encoding"] == "gzip" else body)
        return 200, ExportTraceServiceResponse().SerializeToString()

    with answered(take, content_type="application/x-protobuf") as receiver.url:
        yield receiver
