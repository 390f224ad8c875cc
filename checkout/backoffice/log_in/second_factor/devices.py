"""The authenticator app and the recovery codes of a user. django-otp limits wrong codes."""

import secrets
from typing import Any
from urllib.parse import quote, urlencode

import structlog
from django.db import transaction
from django.utils.safestring import SafeString

from checkout import qr_codes
from checkout.backoffice.log_in.second_factor.models import (
    DIGITS,
    PERIOD_SECONDS,
    AuthenticatorApp,
    RecoveryCodes,
    matching_period,
    spelled,
)
from checkout.conf import conf
from checkout.errors import StoredSecretUnreadable
from checkout.privacy.stored_secrets import is_sealed_with_newest_key

NUMBER_OF_CODES = 10
# RFC 4226 recommends 160 bits for the secret of an app.
SECRET_BYTES = 20
# A code of 112 or more random bits may be kept as a plain hash (OWASP ASVS 5.0, 6.5.2).
CODE_BYTES = 15

log = structlog.get_logger(__name__)


def has_factor(user: Any) -> bool:
    """Return True if the user has set up an authenticator app."""
    return bool(AuthenticatorApp.objects.filter(user=user).exists())


def factor_of(user_key: object) -> int:
    """Return the number of the user's authenticator app; zero without one. A new app has another number."""
    found: int | None = AuthenticatorApp.objects.filter(user=user_key).values_list("pk", flat=True).first()
    return found or 0


def new_secret() -> bytes:
    """Return a random secret for an authenticator app."""
    return secrets.token_bytes(SECRET_BYTES)


def qr_code(user: Any, secret: bytes) -> SafeString:
    """Return the image that an authenticator app reads, as SVG without scripts and inline styles."""
    issuer = quote(conf.public_url.partition("://")[2].replace(":", ""))
    query = urlencode({"secret": spelled(secret), "digits": DIGITS, "period": PERIOD_SECONDS})
    label = f"{issuer}:{quote(user.get_username())}"
    return qr_codes.qr_code(f"otpauth://totp/{label}?{query}&issuer={issuer}")


def in_groups(secret: bytes) -> str:
    """Return the secret in groups of four characters, to be typed into an app that has no camera."""
    text = spelled(secret)
    return " ".join(text[start : start + 4] for start in range(0, len(text), 4))


@transaction.atomic
def finish(user: Any, secret: bytes, code: str) -> AuthenticatorApp | None:
    """Replace the user's app by one with ``secret``, if that app shows ``code`` now.

    Otherwise return None, and change nothing.
    """
    period = matching_period(secret, code, -1)
    if period is None:
        return None
    AuthenticatorApp.objects.filter(user=user).delete()
    device = AuthenticatorApp.of(user, secret, period)
    device.save()
    return device


@transaction.atomic
def new_codes(user: Any) -> list[str]:
    """Make recovery codes in place of earlier ones. Each can be used once."""
    RecoveryCodes.objects.filter(user=user).delete()
    codes = [spelled(secrets.token_bytes(CODE_BYTES)).lower() for _ in range(NUMBER_OF_CODES)]
    RecoveryCodes.of(user, codes).save()
    return codes


def codes_left(user: Any) -> int:
    """Return the number of recovery codes that were not used yet."""
    kept = RecoveryCodes.objects.filter(user=user).first()
    return len(kept.hashes) if kept else 0


@transaction.atomic
def match(user: Any, code: str) -> AuthenticatorApp | RecoveryCodes | None:
    """Return the device that accepts ``code``; None if it is wrong, or too soon after a wrong code.

    The device's row is locked, so that two simultaneous requests cannot use the same code.
    """
    typed = "".join(code.split()).lower()
    kind = AuthenticatorApp if len(typed) == DIGITS else RecoveryCodes
    device: Any = kind.objects.select_for_update().filter(user=user).first()
    return device if device is not None and device.verify_token(typed) else None


@transaction.atomic
def reset(user: Any) -> None:
    """Remove the app and the recovery codes. The user sets up new ones at the next log-in."""
    AuthenticatorApp.objects.filter(user=user).delete()
    RecoveryCodes.objects.filter(user=user).delete()


def seal_secrets_again() -> int:
    """Encrypt again, with the newest secret key, the secrets that need an earlier key.

    Return the number of these secrets.
    """
    count = 0
    for app in AuthenticatorApp.objects.all():
        if is_sealed_with_newest_key(app.sealed_secret):
            continue
        try:
            app.seal_again()
            count += 1
        except StoredSecretUnreadable:
            log.error("secret of an authenticator app unreadable", user_id=app.user_id)
    return count
