"""Worldpay's vocabularies translated into ours: events, return codes, authentications, card brands."""

from checkout.payments.providers.authentication import Authentication
from checkout.payments.providers.base import EventKind, Outcome, RefusalReason

# `lastEvent` and `journalType` are free text in the DTD. The values are from Worldpay's own plug-ins
# (Magento2-CG StateInterface, hybris AuthorisedStatus) and GOV.UK Pay. An inquiry returns only the last
# event, so every event that can only follow an authorisation means that the authorisation was approved.
_APPROVED, _PENDING, _REFUSED = Outcome.APPROVED, Outcome.PENDING, Outcome.REFUSED
EVENTS: dict[str, tuple[Outcome, EventKind]] = {
    "AUTHORISED": (_APPROVED, EventKind.AUTHORISED),
    "CAPTURED": (_APPROVED, EventKind.CAPTURED),
    "PARTIAL_CAPTURED": (_APPROVED, EventKind.CAPTURED),
    "CAPTURE_FAILED": (_APPROVED, EventKind.CAPTURE_FAILED),
    "SETTLED": (_APPROVED, EventKind.SETTLED),
    "SETTLED_BY_MERCHANT": (_APPROVED, EventKind.SETTLED),
    "SENT_FOR_REFUND": (_APPROVED, EventKind.REFUND_SENT),
    "SENT_FOR_FAST_REFUND": (_APPROVED, EventKind.REFUND_SENT),
    "REFUND_REQUESTED": (_APPROVED, EventKind.OTHER),
    "REFUND_WEBFORM_ISSUED": (_APPROVED, EventKind.OTHER),
    "REFUNDED": (_APPROVED, EventKind.REFUNDED),
    "REFUNDED_BY_MERCHANT": (_APPROVED, EventKind.REFUNDED),
    "REFUND_FAILED": (_APPROVED, EventKind.REFUND_FAILED),
    "REFUND_EXPIRED": (_APPROVED, EventKind.REFUND_FAILED),
    "INFORMATION_REQUESTED": (_APPROVED, EventKind.OTHER),
    "INFORMATION_SUPPLIED": (_APPROVED, EventKind.OTHER),
    "CHARGED_BACK": (_APPROVED, EventKind.CHARGED_BACK),
    "CHARGEBACK_REVERSED": (_APPROVED, EventKind.CHARGE_BACK_REVERSED),
    # A dispute that moves no money (Worldpay, Payment Status Definitions V5.2, 5.19 to 5.22).
    "DISPUTE_EXPIRED": (_APPROVED, EventKind.OTHER),
    "DISPUTE_RESERVE_RELEASED": (_APPROVED, EventKind.OTHER),
    "DISPUTED_FUNDS_HELD": (_APPROVED, EventKind.OTHER),
    "DISPUTED_FUNDS_RELEASED": (_APPROVED, EventKind.OTHER),
    # A modification that was received, and a payment whose status must be asked from the acquirer
    # (juspay/hyperswitch-prism#2130).
    "CANCEL_RECEIVED": (_APPROVED, EventKind.OTHER),
    "CAPTURE_RECEIVED": (_APPROVED, EventKind.OTHER),
    "REFUND_RECEIVED": (_APPROVED, EventKind.OTHER),
    "QUERY_REQUIRED": (_PENDING, EventKind.OTHER),
    "SENT_FOR_AUTHORISATION": (_PENDING, EventKind.OTHER),
    "SHOPPER_REDIRECTED": (_PENDING, EventKind.OTHER),
    "WAITING_FOR_SHOPPER": (_PENDING, EventKind.OTHER),
    "SIGNED_FORM_RECEIVED": (_PENDING, EventKind.OTHER),
    "OPEN": (_PENDING, EventKind.OTHER),
    "REFUSED": (_REFUSED, EventKind.REFUSED),
    "REFUSED_BY_BANK": (_REFUSED, EventKind.REFUSED),
    "CANCELLED": (_REFUSED, EventKind.CANCELLED),
    "VOIDED": (_REFUSED, EventKind.CANCELLED),
    # Events of other payment methods (developer.worldpay.com/docs/wpg/apms/, payment statuses). Their orders
    # are not ours, but may be listed, or notified, for the same merchant code.
    "SHOPPER_CANCELLED": (_REFUSED, EventKind.CANCELLED),
    "EXPIRED": (_REFUSED, EventKind.EXPIRED),
    "FAILURE": (_REFUSED, EventKind.ERROR),
    "ERROR": (_REFUSED, EventKind.ERROR),
}


def meaning(event: str) -> tuple[Outcome, EventKind]:
    """Return an event's meaning for the authorisation, and its kind. Unknown events mean ``UNKNOWN``."""
    return EVENTS.get(event, (Outcome.UNKNOWN, EventKind.OTHER))


FAILED_REFUNDS = {event for event, (_, kind) in EVENTS.items() if kind == EventKind.REFUND_FAILED}

# The reason for refusing a whole order, if no return code is more precise.
KIND_REASONS = {
    EventKind.CANCELLED: RefusalReason.CANCELLED,
    EventKind.EXPIRED: RefusalReason.CANCELLED,
    EventKind.ERROR: RefusalReason.PROVIDER_ERROR,
}

# ISO 8583 return codes, after GOV.UK Pay's WorldpayAuthorisationRejectedCodeMapper and the table in
# Worldpay's plug-in for hybris (ReturnCode), where 55 and 75 concern the card's security code.
RETURN_CODES = {
    "4": RefusalReason.REFUSED_BY_ISSUER,
    "5": RefusalReason.REFUSED_BY_ISSUER,
    "7": RefusalReason.SUSPECTED_FRAUD,
    "12": RefusalReason.INVALID_REQUEST,
    "13": RefusalReason.INVALID_REQUEST,
    "14": RefusalReason.CARD_INVALID,
    "15": RefusalReason.CARD_INVALID,
    "17": RefusalReason.CANCELLED,
    "33": RefusalReason.CARD_EXPIRED,
    "34": RefusalReason.SUSPECTED_FRAUD,
    "41": RefusalReason.LOST_OR_STOLEN,
    "43": RefusalReason.LOST_OR_STOLEN,
    "46": RefusalReason.CARD_INVALID,
    "51": RefusalReason.INSUFFICIENT_FUNDS,
    "54": RefusalReason.CARD_EXPIRED,
    "55": RefusalReason.SECURITY_CODE_INVALID,
    "56": RefusalReason.CARD_INVALID,
    "57": RefusalReason.NOT_PERMITTED,
    "58": RefusalReason.NOT_PERMITTED,
    "59": RefusalReason.SUSPECTED_FRAUD,
    "61": RefusalReason.INSUFFICIENT_FUNDS,
    "62": RefusalReason.NOT_PERMITTED,
    "65": RefusalReason.AUTHENTICATION_REQUIRED,
    "68": RefusalReason.ISSUER_UNAVAILABLE,
    "75": RefusalReason.SECURITY_CODE_INVALID,
    "76": RefusalReason.REFUSED_BY_ISSUER,
    "78": RefusalReason.REFUSED_BY_ISSUER,
    "82": RefusalReason.NOT_PERMITTED,
    "83": RefusalReason.SUSPECTED_FRAUD,
    "91": RefusalReason.ISSUER_UNAVAILABLE,
    "92": RefusalReason.NOT_PERMITTED,
    "835": RefusalReason.SECURITY_CODE_INVALID,
    "972": RefusalReason.NOT_PERMITTED,
    "973": RefusalReason.NOT_PERMITTED,
    "975": RefusalReason.NOT_PERMITTED,
}


def reason_of(code: str) -> RefusalReason:
    """Return our reason for an ``ISO8583ReturnCode``."""
    return RETURN_CODES.get(code.lstrip("0"), RefusalReason.REFUSED_BY_ISSUER)


# The codes of the card schemes, which ``IssuerResponseCode`` has unchanged: Worldpay's tables of raw response
# codes (developer.worldpay.com/products/access/reference/response-codes/scheme-codes/). We have no reason for
# an exceeded limit: like a lack of funds, it leaves too little for this payment. After R0, R1 and R3, the
# card must not be charged again: the cardholder has ordered the issuer to stop payments.
RAW_CODES = {
    "1A": RefusalReason.AUTHENTICATION_REQUIRED,
    "6P": RefusalReason.CARD_INVALID,
    "7": RefusalReason.SUSPECTED_FRAUD,
    "12": RefusalReason.INVALID_REQUEST,
    "13": RefusalReason.INVALID_REQUEST,
    "14": RefusalReason.CARD_INVALID,
    "15": RefusalReason.CARD_INVALID,
    "41": RefusalReason.LOST_OR_STOLEN,
    "43": RefusalReason.LOST_OR_STOLEN,
    "46": RefusalReason.CARD_INVALID,
    "51": RefusalReason.INSUFFICIENT_FUNDS,
    "54": RefusalReason.CARD_EXPIRED,
    "57": RefusalReason.NOT_PERMITTED,
    "58": RefusalReason.NOT_PERMITTED,
    "59": RefusalReason.SUSPECTED_FRAUD,
    "61": RefusalReason.INSUFFICIENT_FUNDS,
    "62": RefusalReason.NOT_PERMITTED,
    "91": RefusalReason.ISSUER_UNAVAILABLE,
    "N7": RefusalReason.SECURITY_CODE_INVALID,
    "R0": RefusalReason.NOT_PERMITTED,
    "R1": RefusalReason.NOT_PERMITTED,
    "R3": RefusalReason.NOT_PERMITTED,
}
# Other meanings by brand. At Visa, 65 is an activity limit. American Express has its own codes.
_MASTERCARD = RAW_CODES | {
    "63": RefusalReason.SUSPECTED_FRAUD,
    "65": RefusalReason.AUTHENTICATION_REQUIRED,
    "78": RefusalReason.CARD_INVALID,
    "83": RefusalReason.SUSPECTED_FRAUD,
}
RAW_CODES_OF_BRANDS = {
    "mastercard": _MASTERCARD,
    "maestro": _MASTERCARD,
    "amex": {
        "101": RefusalReason.CARD_EXPIRED,
        "110": RefusalReason.INVALID_REQUEST,
        "111": RefusalReason.CARD_INVALID,
        "116": RefusalReason.INSUFFICIENT_FUNDS,
        "119": RefusalReason.NOT_PERMITTED,
        "121": RefusalReason.INSUFFICIENT_FUNDS,
        "122": RefusalReason.SECURITY_CODE_INVALID,
        "130": RefusalReason.AUTHENTICATION_REQUIRED,
        "911": RefusalReason.ISSUER_UNAVAILABLE,
        "912": RefusalReason.ISSUER_UNAVAILABLE,
    },
}


def reason_of_raw(code: str, brand: str) -> RefusalReason:
    """Return our reason for an ``IssuerResponseCode`` of a card of this brand ("" if it is unknown)."""
    known = RAW_CODES_OF_BRANDS.get(brand, RAW_CODES)
    return known.get(code.lstrip("0").upper(), RefusalReason.REFUSED_BY_ISSUER)


# `description` of a ThreeDSecureResult is free text. The first entry that has one of its words in the text
# applies.
_AUTHENTICATIONS = {
    Authentication.FAILED: ("fail", "reject", "not authenticated"),
    Authentication.NOT_AVAILABLE: ("unavailable", "not available"),
    Authentication.ATTEMPTED: ("attempted", "offered but not used"),
    Authentication.AUTHENTICATED: ("authenticated",),
}
# The electronic commerce indicators of Visa and others, and those of Mastercard. No other indicator is
# certain.
_INDICATORS = {
    "05": Authentication.AUTHENTICATED,
    "02": Authentication.AUTHENTICATED,
    "06": Authentication.ATTEMPTED,
    "01": Authentication.ATTEMPTED,
}


def authentication_of(description: str, indicator: str) -> Authentication | None:
    """Return the result of an authentication, or None if Worldpay's words and indicator leave it open."""
    told = description.casefold()
    for result, words in _AUTHENTICATIONS.items():
        if any(each in told for each in words):
            return result
    return _INDICATORS.get(indicator)


BRANDS = {
    "VISA": "visa",
    "ECMC": "mastercard",
    "AMEX": "amex",
    "MAESTRO": "maestro",
    "JCB": "jcb",
    "DINERS": "diners",
    "DISCOVER": "discover",
    "CB": "cartes_bancaires",
    "CARTEBLEUE": "cartes_bancaires",
    "DANKORT": "dankort",
    "UNIONPAY": "unionpay",
    "CHINAUNIONPAY": "unionpay",
}


def brand(payment_method: str) -> str:
    """Return our name of a card scheme: ``visa`` for ``VISA-SSL`` and ``VISA_CREDIT-SSL``; "" if unknown."""
    scheme = payment_method.removesuffix("-SSL").split("_", 1)[0].upper()
    return BRANDS.get(scheme, "")
