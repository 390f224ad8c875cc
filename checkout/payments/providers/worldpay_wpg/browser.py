"""Data that the shopper's browser carries to Worldpay: signed tokens and their forms.

The claims are those of developer.worldpay.com/docs/wpg/authentication/splitauth/ . Worldpay answers 400 to a
token with any other claim.
"""

import time
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from joserfc import jwt
from joserfc.jwk import OctKey

from checkout.payments.providers.base import BrowserForm, Challenge

# Worldpay's own plug-ins date tokens back by a minute, because clocks differ.
CLOCK_SKEW_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """A signer of tokens for one merchant."""

    issuer: str
    organisational_unit: str
    mac_key: str = field(repr=False)

    def device_data_token(self) -> str:
        """Return the token that starts the collection of device data."""
        return self._sign({})

    def challenge_token(self, challenge: Challenge, return_url: str) -> str:
        """Return the token that starts ``challenge`` and brings the shopper back to ``return_url``."""
        payload = {
            "ACSUrl": challenge.acs_url,
            "Payload": challenge.payload,
            "TransactionId": challenge.transaction_id,
        }
        return self._sign({"ReturnUrl": return_url, "Payload": payload, "ObjectifyPayload": True})

    def _sign(self, claims: dict[str, Any]) -> str:
        identity = {
            "jti": str(uuid4()),
            "iat": int(time.time()) - CLOCK_SKEW_SECONDS,
            "iss": self.issuer,
            "OrgUnitId": self.organisational_unit,
        }
        return jwt.encode({"alg": "HS256"}, identity | claims, OctKey.import_key(self.mac_key))


def device_data_form(action: str, signer: Signer) -> BrowserForm:
    """Return the hidden form that collects device data. The page adds the card's first digits as ``Bin``."""
    return BrowserForm(action=action, fields={"JWT": signer.device_data_token()})


def challenge_form(
    action: str, signer: Signer, challenge: Challenge, *, return_url: str, merchant_data: str
) -> BrowserForm:
    """Return the form that leads the shopper to the challenge."""
    token = signer.challenge_token(challenge, return_url)
    return BrowserForm(action=action, fields={"JWT": token, "MD": merchant_data})
