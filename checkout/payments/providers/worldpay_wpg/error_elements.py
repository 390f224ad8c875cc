"""Read an ``error`` element, whose code and text show whether anything was carried out."""

from xml.etree.ElementTree import Element

from checkout.payments.providers.base import EventKind, Outcome, ProviderResult, Refusal, RefusalReason, Verb
from checkout.payments.providers.saved_cards import TOKEN_NOT_FOUND
from checkout.payments.providers.worldpay_wpg.elements import prose, word

INTERNAL_ERROR = "1"
SECURITY_VIOLATION = "4"
INVALID_REQUEST = "5"
PAYMENT_DETAILS = "7"
IDEMPOTENCY = "9"
# Texts, in lower case, of what an operator must mend.
CARD_KEY_DISABLED = "cse key is disabled"
NO_TOKENISATION = "not enabled for tokenisation"
# The codes of `error` (DTD comment). Only these show for certain that nothing was carried out: the message
# was not understood (2), order or amount are invalid (3), a security violation (4), invalid content (6),
# wrong routing, level 2/3 or lodging data (10 to 12). An internal error (1), "not available" (8) and the
# 3DS and token services (13, 14) may come after the authorisation was sent on.
_NOTHING_DONE = {"2", "3", SECURITY_VIOLATION, "6", "10", "11", "12"}
_MODIFICATIONS = {Verb.CAPTURE, Verb.VOID, Verb.REFUND}

# Texts in lower case. In answer to an inquiry, the first is sent for unknown orders and during a challenge,
# the second soon after an order was submitted (GOV.UK Pay, WorldpayPaymentProvider).
NO_RECORD = "could not find payment"
NOT_READY = "order not ready"
# Seen after a challenge for an order that had been authorised.
NO_ORDER = "could not find order"
# In answer to the deletion of a token. Worldpay documents the first with code 1 only ("Internal error: token
# not found"), as a fault of its own service after which the message should be sent again
# (developer.worldpay.com/docs/wpg/troubleshoot/tokenisationerrors/). With another code they are an answer.
_NO_TOKEN = ("token not found", "token does not exist", "token doesn't exist")
_NOT_VALID = (
    "failed validation",
    "invalid xml",
    "not well-formed",
    "not well formed",
    "could not parse",
    "cannot parse",
)
# The card that the shopper typed, also in messages that otherwise say that ours is invalid: "XML failed
# validation: Invalid payment details : Card number not recognised" (activemerchant, worldpay_test.rb).
_CARD_INVALID = "invalid payment details"
# The card that the browser has encrypted. A test of Worldpay's SDK for Java expects the first, with code 5,
# for one that nobody can open. Nothing can be charged without a card
# (developer.worldpay.com/docs/wpg/troubleshoot/clientsideencryptionerrors/).
_CARD_UNREADABLE = ("cse service error", CARD_KEY_DISABLED)
_DONE_BEFORE = ("duplicate", "already")
# Texts with which something may have happened, whatever else is said: seen with code 7 in answer to a payment
# and with code 5 in answer to a modification.
_FAULTS = ("gateway error", "internal error", "error occurred", "timeout", "timed out", "try again", "retry")
# The reasons for which an order cannot be captured, cancelled or refunded in this way.
_NOT_POSSIBLE = (
    "exceed",
    "amount",
    "currency",
    " state",
    "cannot capture",
    "cannot cancel",
    "cannot refund",
    "cannot be captured",
    "cannot be cancelled",
    "cannot be refunded",
    "cannot be modified",
    "not allowed",
    "not permitted",
    NO_ORDER,
)
_SERVICE_NOT_ENABLED = "not enabled"
_INVALID_KEY = ("invalid", "not valid")
_KNOWN_KEY = ("different", "another", "used for", *_DONE_BEFORE)

_REASONS = {
    SECURITY_VIOLATION: RefusalReason.PROVIDER_ERROR,
    PAYMENT_DETAILS: RefusalReason.CARD_INVALID,
    IDEMPOTENCY: RefusalReason.PROVIDER_ERROR,
}


def read_error(error: Element, order_code: str, verb: Verb) -> ProviderResult:
    """Return the result that ``error`` means in answer to ``verb``: refused, not sent, or unknown.

    A token that is to be deleted and that the provider does not know is gone, which is ``APPROVED``. With the
    code of an internal error that is not certain, and the event is ``TOKEN_NOT_FOUND``.
    """
    code = word(error.get("code", ""))[:50]
    content = "".join(error.itertext())
    said = " ".join(content.split()).casefold()
    outcome, event, refusal = Outcome.UNKNOWN, f"ERROR {code}".strip(), None
    if verb == Verb.DELETE_TOKEN and _has(said, _NO_TOKEN):
        is_sure = code != INTERNAL_ERROR
        outcome, event = (Outcome.APPROVED, "MISSING") if is_sure else (Outcome.UNKNOWN, TOKEN_NOT_FOUND)
    elif _has_no_record(code, said, verb):
        outcome, event = Outcome.NOT_SENT, "MISSING"
    elif code == INVALID_REQUEST and NOT_READY in said:
        event = "NOT_READY"
    elif is_certain(code, said, verb):
        outcome = Outcome.REFUSED
        reason = _REASONS.get(code, RefusalReason.INVALID_REQUEST)
        if _has(said, (_CARD_INVALID, *_CARD_UNREADABLE)):
            reason = RefusalReason.CARD_INVALID
        refusal = Refusal(reason=reason, code=code, description=prose(content))
    return ProviderResult(
        outcome=outcome, order_code=order_code, event=event, kind=EventKind.ERROR, refusal=refusal
    )


def is_certain(code: str, said: str, verb: Verb) -> bool:
    """Return True if an error with this code and text, in answer to this verb, shows that nothing was done.

    Code 5 means a message that failed validation, or an order that was sent before, of which an earlier copy
    did arrive, or that the order cannot be modified in this way. Code 7 means payment details that are
    invalid. Both also come with faults of the provider's own, after which something may have happened, so
    only known texts are certain. Code 7 in answer to the second message includes a challenge that an earlier
    copy already completed (alphagov/pay-connector#2219), and an order that cannot be found may have been
    authorised. Code 9 is certain only if the service is not arranged for, or does not accept such keys. An
    error in answer to an inquiry shows nothing about the order.
    """
    if verb == Verb.INQUIRE:
        return False
    if code in (INVALID_REQUEST, PAYMENT_DETAILS):
        return not _has(said, (*_DONE_BEFORE, *_FAULTS)) and _is_invalid(code, said, verb)
    if code == IDEMPOTENCY:
        return is_not_enabled(said) or (_has(said, _INVALID_KEY) and not _has(said, _KNOWN_KEY))
    return code in _NOTHING_DONE


def _is_invalid(code: str, said: str, verb: Verb) -> bool:
    """Return True for a text of code 5 or 7 that says what is wrong with the message, or with its card."""
    if code == INVALID_REQUEST and _has(said, _NOT_VALID):
        return True
    if verb == Verb.AUTHORISE:
        return _has(said, (_CARD_INVALID, *_CARD_UNREADABLE))
    if code == PAYMENT_DETAILS and NO_ORDER in said:
        return False
    return verb in _MODIFICATIONS and _has(said, (_CARD_INVALID, *_NOT_POSSIBLE))


def is_not_enabled(said: str) -> bool:
    """Return True if the text of error 9 means that the service is not arranged for this customer."""
    return _SERVICE_NOT_ENABLED in said.casefold()


def _has_no_record(code: str, said: str, verb: Verb) -> bool:
    """Return True if the provider has no such order.

    An order that had a challenge cannot be missing. In answer to the first message the text makes no sense,
    and may come from a copy of the books that lacks what was done: it shows nothing.
    """
    if code == INVALID_REQUEST and NO_RECORD in said:
        return verb not in (Verb.AUTHORISE, Verb.COMPLETE_CHALLENGE)
    return verb == Verb.INQUIRE and code in {INVALID_REQUEST, PAYMENT_DETAILS} and NO_ORDER in said


def _has(said: str, texts: tuple[str, ...]) -> bool:
    return any(text in said for text in texts)
