"""Repeat a question after a reply that decides nothing: a retryable error, or a malformed reply.

This is for commands that may be sent twice at any time, because their service recognises repetitions. After
the last pause the error is final, and each saga decides what follows from it.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from msgspec.structs import replace as with_changes

from checkout.conf import conf
from checkout.payments.sagas.definition import Decision
from messaging.envelope import Reply


def repeat_delay(reply: Reply, tries: int) -> float | None:
    """Return the seconds until the question is repeated, after so many tries; None if it is not repeated."""
    if reply.error is None or not (reply.error.retryable or reply.tells_nothing):
        return None
    delays = conf.repeat_delays
    return delays[tries] if tries < len(delays) else None


def asked_again(ask: Callable[[Any], Decision[Any]], data: Any, reply: Reply) -> Decision[Any] | None:
    """Return the decision to repeat the question after a pause; None if the reply is final.

    ``data`` has the count of ``tries``. A card that came back with the reply is kept for the next try.
    """
    delay_seconds = repeat_delay(reply, data.tries)
    if delay_seconds is None:
        return None
    decision = ask(with_changes(data, tries=data.tries + 1))
    if decision.ask is None:
        raise ValueError(f"Nothing is asked at {decision.step}.")
    again = replace(decision.ask, delay_seconds=delay_seconds, keeps_card=True)
    return replace(decision, ask=again)
