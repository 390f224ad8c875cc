"""The handling of a message, with the facts for the lines of its log and for its span."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from messaging import traces
from messaging.delivery import Delivery
from messaging.envelope import BAGGAGE, REPLY, TRACEPARENT, Envelope
from messaging.logs import work
from messaging.logs.work import Work, baggage_of, facts_in
from messaging.worker.service import Service


class DeliveredWork(Work):
    """The handling of one message."""

    __slots__ = ("_envelope",)

    def __init__(self, envelope: Envelope) -> None:
        super().__init__()
        self._envelope = envelope

    def facts(self) -> Mapping[str, object]:
        """See ``Work``: the message's id and subject, its trace, and the facts that travel with it."""
        about: dict[str, object] = {"message_id": self._envelope.message_id}
        if subject := self._envelope.subject:
            about["subject"] = subject
        trace = str(self._envelope.headers.get(TRACEPARENT, "")).split("-")
        if len(trace) >= 3:
            about["trace_id"] = trace[1]
        return {**about, **facts_in(str(self._envelope.headers.get(BAGGAGE, ""))), **super().facts()}

    def headers(self) -> Mapping[str, str]:
        """See ``Work``: those of the message, and the merchant if it is known by now."""
        travelling = {name: str(value) for name, value in self._envelope.travelling_headers().items()}
        baggage = baggage_of(self.facts())
        return {**travelling, BAGGAGE: baggage} if baggage else travelling


@contextmanager
def delivery_span(delivery: Delivery, service: Service) -> Iterator[traces.Span]:
    """Record the span of one delivery of a message. A message that has waited for long begins a new trace.

    The span has no correlation id, which is secret, and no type that the service does not know.
    """
    attributes: dict[str, traces.Value] = {
        "messaging.system": "rabbitmq",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": delivery.queue,
        "messaging.message.redelivered": delivery.redelivered,
    }
    envelope = delivery.envelope
    if envelope is None:
        with traces.entry(f"process {service.name}", "consumer", attributes, headers={}) as span:
            yield span
        return
    attributes["messaging.message.id"] = envelope.message_id
    name = service.name
    if envelope.type in service.commands:
        name = attributes["messaging.message.type"] = envelope.type
    elif envelope.type == REPLY:
        name = f"{REPLY} to {service.name}"
    with traces.entry(
        f"process {name}",
        "consumer",
        attributes,
        about=envelope.subject,
        headers=envelope.headers,
        is_late=time.time() - envelope.timestamp > traces.LATE_SECONDS,
    ) as span:
        try:
            yield span
        finally:
            work.note_on(span)
