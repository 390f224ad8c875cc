"""The authenticator app and the recovery codes of a user, which django-otp keeps and limits."""

from base64 import b32encode
from typing import Any

from django.db import transaction
from django.utils.safestring import SafeString
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from checkout import qr_codes

APP, CODES = "authenticator app", "recovery codes"
NUMBER_OF_CODES = 10
DIGITS = 6


def has_factor(user: Any) -> bool:
    """Return True if the user has set up an authenticator app."""
    return bool(TOTPDevice.objects.filter(user=user, confirmed=True).exists())


def begun(user: Any) -> TOTPDevice:
    """Return the app that the user is about to set up. It counts once its first code was entered."""
    device, _ = TOTPDevice.objects.get_or_create(user=user, confirmed=False, defaults={"name": APP})
    return device


def qr_code(device: TOTPDevice) -> SafeString:
    """Return the image that an authenticator app reads, as SVG without scripts and inline styles."""
    return qr_codes.qr_code(device.config_url)


def spelled(device: TOTPDevice) -> str:
    """Return the secret for an app without a camera, in groups of four."""
    text = b32encode(device.bin_key).decode().rstrip("=")
    return " ".join(text[start : start + 4] for start in range(0, len(text), 4))


@transaction.atomic
def finish(user: Any, code: str) -> TOTPDevice | None:
    """Finish the set-up if ``code`` is right, in place of an earlier app. Return the app, or None."""
    device = TOTPDevice.objects.select_for_update().filter(user=user, confirmed=False).first()
    if device is None or not device.verify_token(code):
        return None
    TOTPDevice.objects.filter(user=user, confirmed=True).delete()
    device.confirmed = True
    device.save(update_fields=["confirmed"])
    return device


@transaction.atomic
def new_codes(user: Any) -> list[str]:
    """Make recovery codes in place of earlier ones. Each is good for one time."""
    StaticDevice.objects.filter(user=user).delete()
    device = StaticDevice.objects.create(user=user, name=CODES, confirmed=True)
    codes = [StaticToken.random_token() for _ in range(NUMBER_OF_CODES)]
    StaticToken.objects.bulk_create(StaticToken(device=device, token=code) for code in codes)
    return codes


def codes_left(user: Any) -> int:
    """Return the number of recovery codes that are not used."""
    return int(StaticToken.objects.filter(device__user=user).count())


@transaction.atomic
def match(user: Any, code: str) -> Any:
    """Return the device that accepts ``code``; None if it is wrong, or came too soon after a wrong one.

    The device is locked, so that a code that is sent twice at once counts once.
    """
    typed = "".join(code.split()).lower()
    kind = TOTPDevice if len(typed) == DIGITS and typed.isdecimal() else StaticDevice
    device = kind.objects.select_for_update().filter(user=user, confirmed=True).first()
    return device if device is not None and device.verify_token(typed) else None


@transaction.atomic
def reset(user: Any) -> None:
    """Remove the app and the recovery codes, so that the user sets them up anew at the next log-in."""
    TOTPDevice.objects.filter(user=user).delete()
    StaticDevice.objects.filter(user=user).delete()
