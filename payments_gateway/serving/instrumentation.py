"""Signals about the requests that run on the event loop, for metrics, tracing and logs.

Django's own ``request_started`` and ``request_finished`` are not sent for these requests: their receivers,
some of them Django's, expect a thread and a database connection.

Receivers are plain functions that are called on the event loop, so they must not block. An error in a
receiver is logged, and changes nothing else. Without receivers, requests are not timed. A view's own
exception is reported by Django's ``got_request_exception``, as for all other requests.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.dispatch import Signal
from django.http import HttpRequest, HttpResponse


class LoopSignal(Signal):
    """A signal that is sent on the event loop, to plain functions. Its sender is the view."""

    def connect(self, receiver: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """See Signal. Raises TypeError for a coroutine function."""
        if iscoroutinefunction(receiver):
            raise TypeError(f"{receiver!r} cannot be a receiver: it is a coroutine function.")
        super().connect(receiver, *args, **kwargs)


# Sent with ``request``, whose ``resolver_match`` names the view and its arguments.
held_request_started = LoopSignal()
# Sent with ``request``, ``response``, ``error`` and ``seconds``, the time since the start. ``response`` is
# None if there is none. ``error`` is None if the response was sent, and an ``asyncio.CancelledError`` if the
# client disconnected.
held_request_finished = LoopSignal()


@dataclass
class Exchange:
    """The response to a request; None until there is one."""

    response: HttpResponse | None = None


def is_observed() -> bool:
    """Return True if one of the signals has a receiver."""
    return bool(held_request_started.receivers or held_request_finished.receivers)


@contextmanager
def observed(request: HttpRequest) -> Iterator[Exchange]:
    """Send the signals at the beginning and at the end of this context."""
    view = request.resolver_match and request.resolver_match.func
    begin = perf_counter()
    held_request_started.send_robust(view, request=request)
    exchange = Exchange()
    error: BaseException | None = None
    try:
        yield exchange
    except BaseException as raised:
        error = raised
        raise
    finally:
        seconds = perf_counter() - begin
        held_request_finished.send_robust(
            view, request=request, response=exchange.response, error=error, seconds=seconds
        )
