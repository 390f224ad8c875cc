"""The meaning of each field of commands, and an example. A name means the same in all commands."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from checkout.described import ATTEMPT, OPERATION, PAYMENT, SAVED_CARD


class Field(NamedTuple):
    """The meaning of a field name, and an example."""

    meaning: str
    example: Any


FIELDS: Mapping[str, Field] = {
    "payment": Field("The reference of the payment.", PAYMENT),
    "attempt": Field("The order code of the attempt to pay, which ends with the attempt's number.", ATTEMPT),
    "operation": Field("The reference of the capture, void or refund.", OPERATION),
    "minor": Field("The amount in minor units of the currency: 1250 is 12.50 GBP, or 1250 JPY.", 1250),
    "currency": Field("The ISO 4217 code of the currency.", "GBP"),
    "merchant": Field("The merchant's name, for people.", "The Shop"),
    "is_reserved": Field(
        "Says that the amount is held, and taken only when the merchant captures it.", False
    ),
    "is_test": Field("Says that the merchant is not live, so that no money moves.", False),
    "merchant_code": Field("The merchant's code, which never changes.", "shop"),
    "order_reference": Field("The merchant's own order number.", "A-1001"),
    "description": Field("The text by which the shopper recognises the order.", "Tea"),
    "locale": Field("The shopper's language (BCP 47); blank if it is not known.", "en-GB"),
    "minutes_behind_utc": Field(
        "The time zone of the shopper's browser, as the minutes that it is behind UTC: -60 in Paris in "
        "winter. Null if it is not known.",
        -60,
    ),
    "email": Field("The shopper's address; blank if there is none.", "shopper@example.com"),
    "ip_address": Field("The address from which the shopper pays.", "192.0.2.7"),
    "lines": Field("The goods that were ordered.", [{"sku": "tea", "quantity": 2}]),
    "sku": Field("The merchant's name of the goods.", "tea"),
    "quantity": Field("The number of pieces, at least 1.", 2),
    "reserved": Field("True if everything is set aside.", True),
    "missing": Field("The goods of which there is too little.", []),
    "decision": Field("The decision on the attempt.", "accept"),
    "reasons": Field("The reasons for the decision, for staff.", []),
    "kind": Field("The kind of posting, or of the provider's statement.", "captured"),
    "reference": Field("The name of the posting: with its kind, it is posted once.", OPERATION),
    "state": Field("The state of the payment or operation.", "captured"),
    "saga": Field("The number of the saga.", 7),
    "version": Field("The version of the saga as the asker saw it.", 3),
    "found": Field("What staff have found out.", None),
    "about": Field(
        "Tells which of three it is: an `operation` and its `fate`; a `claim`, with its `saga`, `is_true` "
        "and perhaps an amount to book; or `figures`, which have all other fields.",
        "operation",
    ),
    "fate": Field(
        "`arrived`, `not_arrived` (it is sent again, or booked back), or `given_up` (never sent again).",
        "arrived",
    ),
    "is_true": Field("True if the claim is true.", True),
    "by": Field("The user who decided.", "supervisor"),
    "captured": Field("The amount captured, in minor units.", 1250),
    "refunded": Field("The amount refunded, in minor units.", 0),
    "charged_back": Field("The amount charged back, less what was returned, in minor units.", 0),
    "is_held": Field("True if there is an authorisation of which more may be captured.", False),
    "seen": Field("What staff knew, as a text that differs as soon as more is known.", "3.0"),
    "lacks": Field("References of done operations that the provider does not have.", []),
    "event_id": Field("The provider's name of the event; the same if it repeats the statement.", "e-1"),
    "is_proven": Field("False for a hint, which is only a reason to ask the provider.", True),
    "claim": Field("The event that the notification claims.", "refund_failed"),
    "outcome": Field("The result.", "approved"),
    "event": Field("The provider's own word.", "AUTHORISED"),
    "card_brand": Field("The brand of the card, if it is known.", "visa"),
    "card_last4": Field("The last four digits of the card, if they are known.", "1111"),
    "support_email": Field("The merchant's address for questions.", "help@shop.example"),
    "support_phone": Field("The merchant's telephone number for questions.", "+44 20 7946 0000"),
    "logo_url": Field("The public address of the merchant's logo.", "https://pay.example/logos/a.png"),
    "refusal_reason": Field("The reason for a refusal, in our words; otherwise blank.", ""),
    "why": Field("The reason, for staff.", ""),
    "notification": Field("The number of the stored notification.", 12),
    "card": Field("The reference of the saved card.", SAVED_CARD),
    "number": Field("The number of requests to the provider before this one.", 0),
}
