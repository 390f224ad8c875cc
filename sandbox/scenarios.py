"""Magic values: the card holder names and card numbers that determine the result.

Authentication and authorisation are chosen separately: a challenge card with the holder name REFUSED51 is
challenged first, and then refused with code 51. Any unknown name is authorised, as at the real test endpoint,
so that a mistyped name has the same effect at both.

Names: developer.worldpay.com/docs/wpg/hostedintegration/abouttesting/ and the acceptance tests in
`Worldpay/salesforce-commerce-cloud`. Numbers: developer.worldpay.com/products/payments/testing.md (Cardinal's
list); those of CARD_REFUSALS are the sandbox's own.
"""

import re
from dataclasses import dataclass
from typing import Literal

Payment = Literal["AUTHORISED", "REFUSED", "ERROR", "CANCELLED"]
TransStatus = Literal["Y", "A", "U", "N", "R"]


@dataclass(frozen=True, slots=True)
class Authentication:
    """A card's authentication. `status` is the issuer's answer or, with a challenge, that after approval.

    `is_old` means 3-D Secure 1, which the schemes have retired, so that nothing here completes it.
    """

    status: TransStatus
    challenge: bool
    meaning: str
    is_old: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    authentication: Authentication
    payment: Payment
    refusal_code: str


REFUSALS = {
    "4": "HOLD CARD",
    "5": "REFUSED",
    "13": "INVALID AMOUNT",
    "14": "INVALID CARD NUMBER",
    "15": "NO SUCH ISSUER",
    "33": "CARD EXPIRED",
    "34": "FRAUD SUSPICION",
    "41": "LOST CARD",
    "43": "STOLEN CARD",
    "46": "CLOSED ACCOUNT",
    "51": "INSUFFICIENT FUNDS",
    "54": "CARD EXPIRED",
    "57": "TRANSACTION NOT PERMITTED",
    "59": "FRAUD SUSPICION",
    "62": "RESTRICTED CARD",
    "65": "AUTHENTICATION REQUESTED",
    "91": "CREDITCARD ISSUER TEMPORARILY NOT REACHABLE",
    "835": "CVV FAILURE",
}

# The same refusals in the codes of the schemes, by payment method. Codes that are not here are the same
# (developer.worldpay.com/products/access/reference/response-codes/scheme-codes/).
RAW_CODES = {
    "33": "54",
    "34": "59",
    "65": "1A",
    "835": "N7",
}
RAW_CODES_OF_METHODS = {
    "ECMC-SSL": RAW_CODES | {"65": "65", "835": "05"},
    "MAESTRO-SSL": RAW_CODES | {"65": "65", "835": "05"},
    "AMEX-SSL": {
        "13": "110",
        "14": "111",
        "33": "101",
        "51": "116",
        "54": "101",
        "57": "119",
        "62": "119",
        "65": "130",
        "835": "122",
        "91": "912",
    },
}


def raw_code(refusal_code: str, payment_method: str) -> str:
    """Return the code of the card scheme for a refusal with this code of ISO 8583."""
    if payment_method == "AMEX-SSL":
        return RAW_CODES_OF_METHODS[payment_method].get(refusal_code, "100")
    return RAW_CODES_OF_METHODS.get(payment_method, RAW_CODES).get(refusal_code, refusal_code.zfill(2))


FRICTIONLESS = Authentication("Y", challenge=False, meaning="authenticated without a challenge")
ATTEMPTED = Authentication("A", challenge=False, meaning="attempted, authorised with liability shift")
UNAVAILABLE = Authentication(
    "U", challenge=False, meaning="not available, authorised without liability shift"
)
FAILED = Authentication("N", challenge=False, meaning="authentication failed, refused without a challenge")
REJECTED = Authentication("R", challenge=False, meaning="rejected by the issuer, refused without a challenge")
CHALLENGE = Authentication("Y", challenge=True, meaning="challenge; an approval authenticates")
OLD = Authentication(
    "U", challenge=False, meaning="3-D Secure 1 is asked for, and nothing is authorised", is_old=True
)

HOLDER_PAYMENTS: dict[str, Payment] = {
    "AUTHORISED": "AUTHORISED",
    "ERROR": "ERROR",
    "CANCELLED": "CANCELLED",
}
HOLDER_AUTHENTICATIONS = {
    "3D": OLD,
    "3DS_V2_FRICTIONLESS_IDENTIFIED": FRICTIONLESS,
    "3DS_V2_FRICTIONLESS_NOT_IDENTIFIED": ATTEMPTED,
    "3DS_V2_FRICTIONLESS_VALID_ERROR": UNAVAILABLE,
    "3DS_V2_FRICTIONLESS_REJECTED": REJECTED,
    "3DS_V2_CHALLENGE_IDENTIFIED": CHALLENGE,
    "3DS_V2_CHALLENGE_NOT_IDENTIFIED": Authentication(
        "A", challenge=True, meaning="challenge; an approval counts as attempted"
    ),
    "3DS_V2_CHALLENGE_VALID_ERROR": Authentication(
        "U", challenge=True, meaning="challenge; an approval is authorised without liability shift"
    ),
    "3DS_V2_CHALLENGE_UNKNOWN_IDENTITY": Authentication(
        "N", challenge=True, meaning="challenge; refused even when approved"
    ),
}
CARD_AUTHENTICATIONS = {
    "4000000000002701": FRICTIONLESS,
    "5200000000002235": FRICTIONLESS,
    "340000000002708": FRICTIONLESS,
    "6011000000002117": FRICTIONLESS,
    "3338000000000296": FRICTIONLESS,
    "4000000000002719": ATTEMPTED,
    "4000000000002313": UNAVAILABLE,
    "4000000000002925": FAILED,
    "4000000000002503": CHALLENGE,
    "4000000000001091": CHALLENGE,
}
CARD_REFUSALS = {"4000000000000002": "5", "4000000000009995": "51"}


def choose(holder: str, number: str) -> Outcome:
    """Return the result for this card holder name and number. The name takes precedence."""
    authentication = HOLDER_AUTHENTICATIONS.get(holder) or CARD_AUTHENTICATIONS.get(number, FRICTIONLESS)
    if payment := HOLDER_PAYMENTS.get(holder):
        return Outcome(authentication, payment, "")
    if refused := re.fullmatch(r"REFUSED(\d{0,3})", holder):
        return Outcome(authentication, "REFUSED", refused[1] or "5")
    if code := CARD_REFUSALS.get(number):
        return Outcome(authentication, "REFUSED", code)
    return Outcome(authentication, "AUTHORISED", "")


def choose_later(holder: str) -> Outcome:
    """Return the result of later charges of a saved card, by the holder's name in its first order."""
    if refused := re.fullmatch(r"LATER_REFUSED(\d{0,3})", holder):
        return Outcome(FRICTIONLESS, "REFUSED", refused[1] or "5")
    return Outcome(FRICTIONLESS, "AUTHORISED", "")
