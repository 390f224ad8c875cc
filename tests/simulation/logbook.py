"""Logging that writes the product's errors to the trace and drops everything else."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from tests.simulation.processes import current
from tests.simulation.trace import Trace

_trace: list[Trace] = []


def take_over() -> None:
    """Log errors only, to the trace of the running schedule."""
    logging.disable(logging.CRITICAL)
    structlog.configure(
        processors=[_note],
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        cache_logger_on_first_use=False,
    )


def write_to(trace: Trace) -> None:
    """Write errors to ``trace`` from now on."""
    _trace[:] = [trace]


def _note(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if event.pop("exc_info", False):
        event["error"] = repr(sys.exc_info()[1])
    details = " ".join(f"{key}={value}" for key, value in event.items() if key != "event")
    if _trace:
        _trace[0].note(current().name, "logs:", event.get("event"), details)
    raise structlog.DropEvent
