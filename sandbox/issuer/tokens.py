"""Checks of the JSON Web Tokens that a merchant's server signs for device data and for the challenge.

Claims: developer.worldpay.com/docs/wpg/authentication/splitauth/ . Any other claim is an error, as it is
there.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from sandbox.configuration import Configuration

CLOCK_SKEW_SECONDS = 60
LIFETIME_SECONDS = 2 * 3600
DEVICE_DATA_CLAIMS = {"jti", "iat", "iss", "OrgUnitId"}
CHALLENGE_CLAIMS = DEVICE_DATA_CLAIMS | {"ReturnUrl", "Payload", "ObjectifyPayload"}


class InvalidToken(Exception):
    """The merchant's server cannot have made this token for this purpose."""


@dataclass(frozen=True, slots=True)
class ChallengeRequest:
    transaction_id: str
    acs_url: str
    payload: str
    return_url: str


def verify_device_data(token: str, configuration: Configuration) -> None:
    """Check a token for device data. Raises InvalidToken with the reason."""
    _verified_claims(token, configuration, DEVICE_DATA_CLAIMS)


def verify_challenge(token: str, configuration: Configuration) -> ChallengeRequest:
    """Return the content of a token for a challenge. Raises InvalidToken with the reason."""
    claims = _verified_claims(token, configuration, CHALLENGE_CLAIMS)
    if claims["ObjectifyPayload"] is not True:
        raise InvalidToken("ObjectifyPayload must be true")
    payload = claims["Payload"]
    if not isinstance(payload, dict) or set(payload) != {"ACSUrl", "Payload", "TransactionId"}:
        raise InvalidToken("Payload must hold exactly ACSUrl, Payload and TransactionId")
    return_url = _text(claims["ReturnUrl"])
    if not _is_address(return_url):
        raise InvalidToken("ReturnUrl must be an absolute http or https address")
    return ChallengeRequest(
        transaction_id=_text(payload["TransactionId"]),
        acs_url=_text(payload["ACSUrl"]),
        payload=_text(payload["Payload"]),
        return_url=return_url,
    )


def _text(claim: object) -> str:
    """Return a claim as text. Raises InvalidToken for half a surrogate pair, which JSON can contain."""
    text = str(claim)
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise InvalidToken("JWT: a claim is not text")
    return text


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.netloc)


def _verified_claims(token: str, configuration: Configuration, required: set[str]) -> Mapping[str, Any]:
    try:
        claims = jwt.decode(
            token, OctKey.import_key(configuration.mac_key), algorithms=["HS256", "HS512"]
        ).claims
    except (JoseError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise InvalidToken("JWT: not readable, or signed with another key") from error
    if missing := required - claims.keys():
        raise InvalidToken(f"JWT: claim missing: {', '.join(sorted(missing))}")
    if unknown := claims.keys() - required - {"exp"}:
        raise InvalidToken(f"JWT: claim not allowed: {', '.join(sorted(map(str, unknown)))}")
    if claims["iss"] != configuration.issuer or claims["OrgUnitId"] != configuration.org_unit_id:
        raise InvalidToken("JWT: iss or OrgUnitId is not this merchant's")
    if not isinstance(claims["jti"], str) or not claims["jti"]:
        raise InvalidToken("JWT: jti must be a text")
    _check_times(claims)
    return claims


def _check_times(claims: Mapping[str, Any]) -> None:
    now = time.time()
    issued, expires = claims["iat"], claims.get("exp", now + 1)
    if not all(isinstance(moment, int | float) for moment in (issued, expires)):
        raise InvalidToken("JWT: iat and exp must be numbers")
    if not now - LIFETIME_SECONDS <= issued <= now + CLOCK_SKEW_SECONDS:
        raise InvalidToken("JWT: iat is in the future or more than two hours ago")
    if expires <= now:
        raise InvalidToken("JWT: exp has passed")
