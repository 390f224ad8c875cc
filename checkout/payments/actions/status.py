"""Tokens that let open pages get the updates of one payment without a session."""

from django.core import signing

from checkout.errors import TokenRejected

_SALT = "checkout.status"
# A page that is open for longer than a day polls instead.
_LIFETIME_SECONDS = 86_400


def status_token(reference: str) -> str:
    """Return a signed token for one payment, which is valid for a day."""
    return signing.TimestampSigner(salt=_SALT).sign(reference)


def check_status_token(reference: str, token: str) -> None:
    """Raise ``TokenRejected`` unless ``token`` was made for this payment and is not too old."""
    try:
        signed = signing.TimestampSigner(salt=_SALT).unsign(token, max_age=_LIFETIME_SECONDS)
    except signing.SignatureExpired:
        raise TokenRejected("The token is too old.", is_expired=True) from None
    except signing.BadSignature:
        raise TokenRejected("The token is not one of ours.") from None
    if signed != reference:
        raise TokenRejected("The token was made for another payment.")
