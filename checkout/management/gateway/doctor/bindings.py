"""Find bindings of listening programs that can never match the routing key of an event.

The routing key of an event consists of its type and the merchant's code: three words, such as
``payment.captured.shop``.
"""

from collections.abc import Iterable, Iterator, Sequence

from checkout.backoffice.display.values import quantity_text
from checkout.management.gateway.expected import topology
from checkout.management.gateway.output import Finding
from checkout.payments.events import EVENT_TYPES
from messaging.inspection.differences import Bound

AREA = "broker"
_FAMILIES = {type.partition(".")[0] for type in EVENT_TYPES}
# A placeholder for the code of any merchant, which is one word.
_MERCHANT = "<merchant>"


def findings(every: Iterable[Bound]) -> Iterator[Finding]:
    """Yield the findings about all bindings to the exchange of events. Only types of our own are judged."""
    exchange = topology().events
    found = sorted({(bound.target, bound.key) for bound in every if bound.exchange == exchange})
    futile = [(queue, key) for queue, key in found if is_futile(key)]
    for queue, key in futile:
        text = f"queue {queue}: its binding {key} matches no event, whose keys are <type>.<merchant>"
        yield Finding(AREA, text, f"Bind {instead_of(key)} instead, and remove this binding.")
    if not futile:
        yield Finding(
            AREA, f"{quantity_text(len(found), 'binding')} for events, of which each can match some"
        )


def is_futile(key: str) -> bool:
    """Return True if the binding key begins like our events' types, but cannot match any of them."""
    words = key.split(".")
    return words[0] in _FAMILIES and not any(
        _matches(words, [*type.split("."), _MERCHANT]) for type in EVENT_TYPES
    )


def instead_of(key: str) -> str:
    """Return the binding key that was probably meant."""
    family = f"{key.partition('.')[0]}.#"
    meant = f"{key[:-1]}#" if key.endswith(".*") else f"{key}.*"
    return family if is_futile(meant) else meant


def _matches(pattern: Sequence[str], words: Sequence[str]) -> bool:
    """Return True if a topic exchange would route the key of ``words`` by the binding key ``pattern``."""
    if not pattern:
        return not words
    first, rest = pattern[0], pattern[1:]
    if first == "#":
        return any(_matches(rest, words[skipped:]) for skipped in range(len(words) + 1))
    if not words or not (first in ("*", words[0]) or words[0] == _MERCHANT):
        return False
    return _matches(rest, words[1:])
