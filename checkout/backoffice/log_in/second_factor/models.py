"""The tables of second factors. Their secrets are encrypted or hashed with keys outside the database."""

import time
from base64 import b32encode
from collections.abc import Iterable
from typing import Any, ClassVar

import structlog
from django.db import models
from django.utils.crypto import constant_time_compare, salted_hmac
from django_otp.models import Device, ThrottlingMixin
from django_otp.oath import TOTP

from checkout.conf import conf
from checkout.errors import StoredSecretUnreadable
from checkout.privacy.stored_secrets import open_secret, seal_secret

DIGITS, PERIOD_SECONDS = 6, 30

log = structlog.get_logger(__name__)


def matching_period(secret: bytes, code: str, after: int) -> int | None:
    """Return the number of the 30-second period in which an app shows ``code`` (RFC 6238); None if wrong.

    The present period and, because clocks differ, its two neighbours are tried. Periods up to ``after`` are
    skipped.
    """
    totp = TOTP(secret, PERIOD_SECONDS, digits=DIGITS)
    totp.time = time.time()
    is_code = len(code) == DIGITS and code.isascii() and code.isdecimal()
    if not (is_code and totp.verify(int(code), 1, after + 1)):
        return None
    return int(totp.t())


class AuthenticatorApp(ThrottlingMixin, Device):  # type: ignore[misc]
    """The authenticator app of a user. The secret is encrypted (``privacy.stored_secrets``).

    ``last_period`` is the period of the last accepted code. Only codes of later periods are accepted.
    """

    sealed_secret = models.TextField()
    last_period = models.BigIntegerField(default=-1)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["user"], name="one_app_of_a_user")]

    @classmethod
    def of(cls, user: Any, secret: bytes, period: int) -> "AuthenticatorApp":
        """Return a new, unsaved app of ``user``. The code of ``period`` counts as used."""
        sealed = seal_secret(secret.hex(), cls._owner(user.pk))
        return cls(user=user, name="authenticator app", sealed_secret=sealed, last_period=period)

    def secret(self) -> bytes:
        """Return the secret. Raises ``StoredSecretUnreadable``."""
        return bytes.fromhex(open_secret(self.sealed_secret, self._owner(self.user_id)))

    def seal_again(self) -> None:
        """Encrypt the secret with the newest secret key. Raises ``StoredSecretUnreadable``."""
        sealed = seal_secret(self.secret().hex(), self._owner(self.user_id))
        unchanged = AuthenticatorApp.objects.filter(pk=self.pk, sealed_secret=self.sealed_secret)
        unchanged.update(sealed_secret=sealed)

    def get_throttle_factor(self) -> int:
        """Return the seconds to wait after the first wrong code. Each further one doubles them."""
        return 1

    def verify_token(self, token: str) -> bool:
        """Return True if ``token`` is right. The row must be locked."""
        if not self.verify_is_allowed()[0]:
            return False
        try:
            period = matching_period(self.secret(), token, self.last_period)
        except StoredSecretUnreadable:
            log.error("secret of an authenticator app unreadable", user_id=self.user_id)
            return False
        if period is None:
            self.throttle_increment()
            return False
        self.last_period = period
        self.throttle_reset(commit=False)
        self.save()
        return True

    @staticmethod
    def _owner(user_key: int) -> str:
        return f"authenticator app of user {user_key}"


class RecoveryCodes(ThrottlingMixin, Device):  # type: ignore[misc]
    """The unused recovery codes of a user, as keyed hashes. Each can be used once.

    A code has 120 random bits. The key of the hashes is the ``SECRET_KEY``.
    """

    hashes = models.JSONField(default=list)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["user"], name="one_set_of_codes_of_a_user")]

    @classmethod
    def of(cls, user: Any, codes: Iterable[str]) -> "RecoveryCodes":
        """Return new codes of ``user``, not saved yet."""
        key = conf.secret_keys[0]
        return cls(user=user, name="recovery codes", hashes=[_hash(code, user.pk, key) for code in codes])

    def get_throttle_factor(self) -> int:
        """Return the seconds to wait after the first wrong code. Each further one doubles them."""
        return 1

    def verify_token(self, token: str) -> bool:
        """Return True if ``token`` is one of the codes, and use that code up. The row must be locked."""
        if not self.verify_is_allowed()[0]:
            return False
        typed = [_hash(token, self.user_id, key) for key in conf.secret_keys]
        left = [kept for kept in self.hashes if not any(constant_time_compare(kept, each) for each in typed)]
        if len(left) == len(self.hashes):
            self.throttle_increment()
            return False
        self.hashes = left
        self.throttle_reset(commit=False)
        self.save()
        return True


def _hash(code: str, user_key: int, secret_key: str) -> str:
    salt = f"checkout.recovery_codes:{user_key}"
    return salted_hmac(salt, code, secret_key, algorithm="sha256").hexdigest()


def spelled(secret: bytes) -> str:
    """Return a secret in base32, as apps expect it."""
    return b32encode(secret).decode().rstrip("=")
