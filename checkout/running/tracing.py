"""Traces of this process, if the variables of OpenTelemetry (``OTEL_…``) name a receiver.

Only this module loads the SDK, which is an extra (``pip install payments-gateway[otel]``).
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Thread

from django.core.exceptions import ImproperlyConfigured

from checkout.version import VERSION
from messaging import traces

# Each of these variables turns traces on.
ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
FLUSH_SECONDS = 3.0


def are_wanted() -> bool:
    """Return True if the environment names a receiver of traces, and does not turn them off."""
    is_off = (
        os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
        or os.environ.get("OTEL_TRACES_EXPORTER", "otlp") == "none"
    )
    return not is_off and any(os.environ.get(name) for name in ENDPOINTS)


@contextmanager
def recorded(programs: Sequence[str]) -> Iterator[None]:
    """Record the spans of a process that runs these programs, and send them in the background.

    If the receiver is unavailable, spans are lost, and the end of the process is delayed by some seconds.
    Raises ImproperlyConfigured if the SDK is not installed.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        from messaging.traces.open_telemetry import ChosenIds, OpenTelemetry
    except ImportError as error:
        raise ImproperlyConfigured(
            f"The environment asks for traces (OTEL_…), but {error.name} is not installed. "
            "Install it: pip install 'payments-gateway[otel]'."
        ) from None
    program = programs[0] if programs else "gateway"
    about = {"service.namespace": "payments-gateway", "service.version": VERSION}
    if not os.environ.get("OTEL_SERVICE_NAME"):
        about["service.name"] = f"payments-gateway-{program}"
    provider = TracerProvider(
        resource=Resource.create(about), id_generator=ChosenIds(), shutdown_on_exit=False
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    traces.begin(OpenTelemetry(provider))
    try:
        yield
    finally:
        traces.end()
        # The export waits for the network, and tries again.
        last = Thread(target=provider.shutdown, name="last spans", daemon=True)
        last.start()
        last.join(FLUSH_SECONDS)
