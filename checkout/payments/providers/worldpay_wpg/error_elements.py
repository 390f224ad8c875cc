"""Read an ``error`` element, whose code and text show whether anything was carried out.

Only a known, whole sentence has a meaning. Worldpay has many texts for its own faults, such as "Deadline
exceeded" or "Concurrency conflict", after which the request may have been carried out.
"""

import re
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from checkout.payments.providers.base import EventKind, Outcome, ProviderResult, Refusal, RefusalReason, Verb
from checkout.payments.providers.saved_cards import TOKEN_NOT_FOUND
from checkout.payments.providers.worldpay_wpg.elements import prose, word

INTERNAL_ERROR = "1"
SECURITY_VIOLATION = "4"
# The codes of `error` (DTD comment) that show, with any text, that nothing was carried out: the message was
# not understood (2), order or amount are invalid (3), invalid content (6), wrong routing, level 2/3 or
# lodging data (10 to 12). A security violation (4) shows it, too. An internal error (1), "not available" (8)
# and the 3DS and token services (13, 14) may come after the authorisation was sent on.
_NOTHING_DONE = {"2", "3", "6", "10", "11", "12"}

_PAYS = {Verb.AUTHORISE}
_MODIFIES = {Verb.CAPTURE, Verb.VOID, Verb.REFUND}
_CHANGES = {*_PAYS, *_MODIFIES, Verb.COMPLETE_CHALLENGE}


@dataclass(frozen=True, slots=True)
class Meaning:
    """The meaning of an error. ``advice`` tells an operator how to mend an account that is ``NOT_ABLE``."""

    outcome: Outcome
    reason: RefusalReason = RefusalReason.INVALID_REQUEST
    event: str = ""
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A known text, with the codes and verbs for which its meaning is certain.

    ``pattern`` matches the whole text, without regard to case, white space and the full stop at its end.
    """

    pattern: str
    codes: str
    verbs: set[Verb]
    meaning: Meaning

    def fits(self, code: str, said: str, verb: Verb) -> bool:
        """Return True if an error with this code and text, in answer to this verb, is this sentence."""
        is_about_it = verb in self.verbs and code in self.codes.split()
        return is_about_it and re.fullmatch(self.pattern, said, re.IGNORECASE) is not None


_UNKNOWN = Meaning(Outcome.UNKNOWN)
_REFUSED = Meaning(Outcome.REFUSED)
_CARD_INVALID = Meaning(Outcome.REFUSED, RefusalReason.CARD_INVALID)
_NOT_FOUND = Meaning(Outcome.NOT_FOUND, event="MISSING")


def _not_able(advice: str) -> Meaning:
    return Meaning(Outcome.NOT_ABLE, RefusalReason.PROVIDER_ERROR, advice=advice)


_MASKED = r"[\d*]{6,24}"
_DETAILS = (
    rf"Invalid payment details : (Card number not recognised: {_MASKED}|Card number : {_MASKED}"
    r"|Expiry date = \d\d?/\d{4})"
)
# The comment above each sentence names its source.
SENTENCES = (
    # activemerchant, remote_worldpay_test.rb: captures, voids and refunds of an order that does not exist.
    # alphagov/pay-connector, WorldpayPaymentProvider: inquiries about such an order, and about one in its
    # challenge.
    Sentence("Could not find payment for order", "5", {*_MODIFIES, Verb.INQUIRE}, _NOT_FOUND),
    # An inquiry of a real shop, after a challenge. With code 7, in answer to the second message of the same
    # order, the sentence meant nothing: the order had been authorised.
    Sentence("Could not find order", "5", {*_MODIFIES, Verb.INQUIRE}, _NOT_FOUND),
    Sentence("Could not find order", "7", {Verb.INQUIRE}, _NOT_FOUND),
    # alphagov/pay-connector, WorldpayPaymentProvider: soon after an order was submitted.
    Sentence("Order not ready", "5", set(Verb), Meaning(Outcome.UNKNOWN, event="NOT_READY")),
    # activemerchant, worldpay_test.rb and remote_worldpay_test.rb: the card that the shopper typed.
    Sentence(f"(XML failed validation: )?{_DETAILS}", "2 5 7", _PAYS, _CARD_INVALID),
    # The same sentences without details. A message that fails the validation is not carried out.
    Sentence("XML failed validation", "5", _CHANGES, _REFUSED),
    Sentence("Invalid payment details", "7", _PAYS, _CARD_INVALID),
    # juspay/hyperswitch#11660.
    Sentence(
        '(Invalid XML: )?The content of element type "[^"]+" must match "[^"]+"', "5", _CHANGES, _REFUSED
    ),
    # developer.worldpay.com/docs/wpg/troubleshoot/clientsideencryptionerrors/: the card that the browser has
    # encrypted, without which nothing can be charged. A test in Worldpay's SDK for Java has code 5.
    Sentence("An internal CSE service error has occurred", "5 7", _PAYS, _CARD_INVALID),
    Sentence(
        "CSE Key is disabled",
        "5 7",
        _PAYS,
        _not_able("Set the account's option encryption_public_key to a key that is enabled."),
    ),
    # developer.worldpay.com/docs/wpg/troubleshoot/tokenisationerrors/.
    Sentence(
        "(Merchant|Admin) code not enabled for tokenisation",
        "2 5",
        {*_PAYS, Verb.DELETE_TOKEN},
        _not_able("Have Worldpay enable tokenisation, or set the account's option saved_cards to no."),
    ),
    # developer.worldpay.com/docs/wpg/troubleshoot/idempotencyerrors/. "Request in progress" is left out:
    # after it the earlier copy may still be carried out.
    Sentence(
        "(Service not enabled: )?Idempotent requests are not enabled for this customer|Service not enabled",
        "9",
        _CHANGES,
        _not_able(
            "Have Worldpay enable idempotent requests for this customer, or set the account's option "
            "idempotency_keys to off."
        ),
    ),
    Sentence(
        "Invalid idempotency-key(: the key must be a UUID)?|The idempotency-key header value is invalid",
        "9",
        _CHANGES,
        _not_able(
            "Set the account's option idempotency_keys to uuid, the form that Worldpay asks for, or to off."
        ),
    ),
    # sandbox/bank/modifications.py. Worldpay does not publish the texts with which it refuses modifications.
    Sentence(r"Cannot (capture|cancel|refund) an order in state \w+", "5", _MODIFIES, _REFUSED),
    Sentence(r"Requested (capture|refund) of \d+ exceeds the \d+ available", "5", _MODIFIES, _REFUSED),
    Sentence(
        "Currency or exponent of the (capture|refund) differs from the order's", "5", _MODIFIES, _REFUSED
    ),
)
# Answers to the deletion of a token. Worldpay documents the first with code 1 only ("Internal error: token
# not found"), as a fault of its own service after which the message should be sent again
# (developer.worldpay.com/docs/wpg/troubleshoot/tokenisationerrors/). With another code, it is an answer.
_NO_TOKEN = ("token not found", "token does not exist", "token doesn't exist")


def read_error(error: Element, order_code: str, verb: Verb) -> ProviderResult:
    """Return the result that ``error`` means in answer to ``verb``.

    If the result is a refusal, ``NOT_FOUND`` or ``NOT_ABLE``, nothing was carried out. In answer to the
    deletion of a token, an unknown token counts as deleted, which is ``APPROVED``. With the code of an
    internal error this is uncertain: the result is ``UNKNOWN`` with the event ``TOKEN_NOT_FOUND``.
    """
    code = word(error.get("code", ""))[:50]
    content = "".join(error.itertext())
    meaning = _meaning(code, " ".join(content.split()).removesuffix("."), verb)
    refusal = None
    if meaning.outcome in (Outcome.REFUSED, Outcome.NOT_ABLE):
        description = prose(content)
        if meaning.advice:
            description = f"{description.rstrip('.')}. {meaning.advice}"
        refusal = Refusal(reason=meaning.reason, code=code, description=description)
    return ProviderResult(
        outcome=meaning.outcome,
        order_code=order_code,
        event=meaning.event or f"ERROR {code}".strip(),
        kind=EventKind.ERROR,
        refusal=refusal,
    )


def _meaning(code: str, said: str, verb: Verb) -> Meaning:
    if verb == Verb.DELETE_TOKEN and any(text in said.casefold() for text in _NO_TOKEN):
        if code == INTERNAL_ERROR:
            return Meaning(Outcome.UNKNOWN, event=TOKEN_NOT_FOUND)
        return Meaning(Outcome.APPROVED, event="MISSING")
    known = next((each.meaning for each in SENTENCES if each.fits(code, said, verb)), None)
    if known is not None:
        return known
    if code == SECURITY_VIOLATION:
        return _not_able("Check the merchant code, and what Worldpay allows it to do.")
    # An error in answer to an inquiry shows nothing about the order.
    return _REFUSED if code in _NOTHING_DONE and verb != Verb.INQUIRE else _UNKNOWN
