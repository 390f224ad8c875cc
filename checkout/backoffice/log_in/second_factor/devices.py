"""The authenticator app and the recovery codes of a user, whose use django-otp limits."""

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
# With 112 bits or more, a plain hash would do to keep a code (OWASP ASVS 5.0, 6.5.2).
CODE_BYTES = 15

log = structlog.get_logger(__name__)


def has_factor(user: Any) -> bool:
    """Return True if the user has set up an authenticator app."""
    return bool(AuthenticatorApp.objects.filter(user=user).exists())


def factor_of(user_key: object) -> int:
    """Return the number of the user's authenticator app; zero without one. A new app has a new number."""
    found: int | None = AuthenticatorApp.objects.filter(user=user_key).values_list("pk", flat=True).first()
    return found or 0


def new_secret() -> bytes:
    """Return a secret for an app."""
    return secrets.token_bytes(SECRET_BYTES)


def qr_code(user: Any, secret: bytes) -> SafeString:
    """Return the image that an authenticator app reads, as SVG without scripts and inline styles."""
    issuer = quote(conf.public_url.partition("://")[2].replace(":", ""))
    query = urlencode({"secret": spelled(secret), "digits": DIGITS, "period": PERIOD_SECONDS})
    label = f"{issuer}:{quote(user.get_username())}"
    return qr_codes.qr_code(f"otpauth://totp/{label}?{query}&issuer={issuer}")


def in_groups(secret: bytes) -> str:
    """Return the secret for an app without a camera, in groups of four."""
    text = spelled(secret)
    return " ".join(text[start : start + 4] for start in range(0, len(text), 4))


@transaction.atomic
def finish(user: Any, secret: bytes, code: str) -> AuthenticatorApp | None:
    """Set up the app with ``secret`` if it shows ``code`` now, in place of an earlier app; otherwise None."""
    period = matching_period(secret, code, -1)
    if period is None:
        return None
    AuthenticatorApp.objects.filter(user=user).delete()
    device = AuthenticatorApp.of(user, secret, period)
    device.save()
    return device


@transaction.atomic
def new_codes(user: Any) -> list[str]:
    """Make recovery codes in place of earlier ones. Each counts once."""
    RecoveryCodes.objects.filter(user=user).delete()
    codes = [spelled(secrets.token_bytes(CODE_BYTES)).lower() for _ in range(NUMBER_OF_CODES)]
    RecoveryCodes.of(user, codes).save()
    return codes


def codes_left(user: Any) -> int:
    """Return the number of recovery codes that are not used."""
    kept = RecoveryCodes.objects.filter(user=user).first()
    return len(kept.hashes) if kept else 0


@transaction.atomic
def match(user: Any, code: str) -> AuthenticatorApp | RecoveryCodes | None:
    """Return the device that accepts ``code``; None if it is wrong, or came too soon after a wrong one.

    The device is locked, so that a code that is sent twice at once counts once.
    """
    typed = "".join(code.split()).lower()
    kind = AuthenticatorApp if len(typed) == DIGITS else RecoveryCodes
    device: Any = kind.objects.select_for_update().filter(user=user).first()
    return device if device is not None and device.verify_token(typed) else None


@transaction.atomic
def reset(user: Any) -> None:
    """Remove the app and the recovery codes, so that the user sets them up anew at the next log-in."""
    AuthenticatorApp.objects.filter(user=user).delete()
    RecoveryCodes.objects.filter(user=user).delete()


def seal_secrets_again() -> int:
    """Seal the secrets that need an earlier secret key with the newest one. Return how many."""
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
