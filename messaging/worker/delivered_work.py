"""The handling of a message, as the lines of its log tell it."""

from collections.abc import Mapping

from messaging.envelope import BAGGAGE, TRACEPARENT, Envelope
from messaging.logs.work import Work, baggage_of, facts_in


class DeliveredWork(Work):
    """The handling of one message."""

    __slots__ = ("_envelope",)

    def __init__(self, envelope: Envelope) -> None:
        super().__init__()
        self._envelope = envelope

    def facts(self) -> Mapping[str, object]:
        """See ``Work``: the message's id and subject, its trace, and what travels with it."""
        about: dict[str, object] = {"message_id": self._envelope.message_id}
        if subject := self._envelope.subject:
            about["subject"] = subject
        trace = str(self._envelope.headers.get(TRACEPARENT, "")).split("-")
        if len(trace) >= 3:
            about["trace_id"] = trace[1]
        return {**about, **facts_in(str(self._envelope.headers.get(BAGGAGE, ""))), **super().facts()}

    def headers(self) -> Mapping[str, str]:
        """See ``Work``: those of the message, with the merchant if it is known by now."""
        travelling = {name: str(value) for name, value in self._envelope.travelling_headers().items()}
        baggage = baggage_of(self.facts())
        return {**travelling, BAGGAGE: baggage} if baggage else travelling
