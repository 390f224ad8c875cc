"""Traits of an order: variations of the bank's behaviour, each documented by the provider or observed there.

A new order gets each trait with a configured probability, drawn from the order's code. A card holder's name
or a knob sets the traits of one order instead.

Sources: the provider's pages on idempotency, on order notifications and on managing orders
(developer.worldpay.com/docs/wpg/manage/), and the issue trackers of platforms that are connected to it.
"""

from collections.abc import Mapping
from random import Random
from typing import Literal, get_args

Trait = Literal[
    "no_deduplication",
    "no_balance",
    "no_ceiling",
    "captured_unselected",
    "settled_unselected",
    "refunded_unselected",
    "settled",
    "early_notification",
    "refund_failed_then_refunded",
    "long_journals",
    "refund_reference_as_capture",
    "charged_back",
    "chargeback_reversed",
    "issuer_response_code",
    "forgotten_after_challenge",
    "synchronous_replies",
    "expires",
    "cancelled_by_risk",
    "demands_first_challenge",
    "refund_refused_online",
    "cancelled_booked",
    "releases_rest",
    "event_behind",
    "booked_late",
    "refund_through_captured",
    "authorises_unauthenticated",
]
TRAITS: tuple[Trait, ...] = get_args(Trait)
MEANINGS: dict[Trait, str] = {
    "no_deduplication": "the Idempotency-Key is not looked at",
    "no_balance": "no message says the order's balances",
    "no_ceiling": "captures beyond the authorisation and refunds beyond the captures are taken",
    "captured_unselected": "no CAPTURED is sent",
    "settled_unselected": "no SETTLED is sent",
    "refunded_unselected": "no REFUNDED is sent, only the SENT_FOR_REFUND before it",
    "settled": "what was captured is settled after a while",
    "early_notification": "captures and refunds are booked and notified before their reply",
    "refund_failed_then_refunded": "every refund fails first and is made later",
    "long_journals": "journals have several lines and several references",
    "refund_reference_as_capture": "a refund's own reference has the type capture",
    "charged_back": "the cardholder takes the payment back, or a part of it, after an inquiry",
    "chargeback_reversed": "the cardholder takes it back and has to return it",
    "issuer_response_code": "a refusal carries the scheme's IssuerResponseCode instead of ISO8583ReturnCode",
    "forgotten_after_challenge": "the second message is answered by error 7 although it was acted upon",
    "synchronous_replies": "captures, cancels and refunds are answered with the order's status",
    "expires": "an authorisation of which nothing is captured expires after a while",
    "cancelled_by_risk": "the order is cancelled as soon as it is authorised",
    "demands_first_challenge": "a saved card is refused with 65 if it was saved without a challenge",
    "refund_refused_online": "refunds fail before their reply, without SENT_FOR_REFUND",
    "cancelled_booked": "a cancel of the merchant's is notified with the bookings, not at once",
    "releases_rest": "after the first capture of a part, the rest is released",
    "booked_late": "captures and refunds are accepted and wait for long, and nothing shows them before",
    "refund_through_captured": "a refund of settled money adds to IN_PROCESS_CAPTURED, the only balance",
    "authorises_unauthenticated": "the order is authorised although the authentication failed",
    "event_behind": "captured, the order still has the last event AUTHORISED, beside balances that show it",
}
# None of these delays a shopper or makes a demonstration look odd.
EVERYDAY_SHARES: dict[Trait, float] = {
    "no_deduplication": 0.2,
    "no_balance": 0.2,
    "long_journals": 0.2,
    "refund_reference_as_capture": 0.2,
    "issuer_response_code": 0.3,
    "releases_rest": 0.3,
}


NEVER_LATE = ("no_deduplication", "early_notification", "synchronous_replies", "refund_refused_online")


def drawn(seed: str, order_code: str, shares: Mapping[Trait, float]) -> list[Trait]:
    """Return the traits of an order: the same for the same seed, code and shares.

    An order that is booked late gets no trait that would book it at once, and its idempotency key is not
    forgotten: a forgotten key and a long wait are both rare, and are not combined.
    """
    traits = [trait for trait in TRAITS if _random(seed, order_code, trait).random() < shares.get(trait, 0.0)]
    is_late = "booked_late" in traits
    return [trait for trait in traits if not (is_late and trait in NEVER_LATE)]


def named_by(holder: str) -> list[Trait] | None:
    """Return the traits that a card holder's name lists in capitals, or None for any other name."""
    by_name = {trait.upper(): trait for trait in TRAITS}
    words = holder.split()
    return [by_name[word] for word in words] if words and set(words) <= by_name.keys() else None


def happens(seed: str, order_code: str, purpose: str) -> bool:
    """Decide at random about a detail of an order. The result depends only on seed, code and purpose."""
    return _random(seed, order_code, purpose).random() < 0.5


def _random(seed: str, order_code: str, purpose: str) -> Random:
    return Random(f"{seed}:{order_code}:{purpose}")  # noqa: S311 - repeatable by design
