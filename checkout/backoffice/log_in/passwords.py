"""The rules for passwords of staff, beside Django's minimum length and its list of common passwords.

docs/back-office.md lists the words of which a password may not consist.
"""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import AbstractBaseUser
from django.contrib.auth.password_validation import CommonPasswordValidator
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from checkout.backoffice.log_in.record import note_failure
from checkout.conf import conf
from checkout.conf.published import DEVELOPMENT_PASSWORD

PRODUCT_WORDS = (
    *("admin", "backoffice", "checkout", "gateway", "merchant", "password", "payment", "payments"),
    *("secret", "staff", "worldpay"),
)
# The number of letters that a password needs beside the known words.
FEWEST_LETTERS = 5
_LOOK_ALIKES = str.maketrans("0134578@$!", "oleastbasi")


class LettersAndDigits:
    """Require a letter and a digit (PCI DSS 4.0.1, 8.3.6)."""

    def validate(self, password: str, user: AbstractBaseUser | None = None) -> None:
        """Raise ValidationError if the password lacks a letter or a digit."""
        if not (any(map(str.isalpha, password)) and any(map(str.isdigit, password))):
            raise ValidationError(self.get_help_text())

    def get_help_text(self) -> str:
        """Return the rule."""
        return "Your password must contain a letter and a digit."


class NoKnownWord:
    """Refuse a common password, and names of the product and the user, even with other signs around it."""

    def validate(self, password: str, user: AbstractBaseUser | None = None) -> None:
        """Raise ValidationError for a common password, or if too few letters remain without known words."""
        core = _letters(password)
        if core in _breached() or len(_without(core, _words(user))) < FEWEST_LETTERS:
            raise ValidationError(self.get_help_text())

    def get_help_text(self) -> str:
        """Return the rule."""
        return (
            "Your password must be more than a common password, your name or a name of this product with "
            "digits or signs around it."
        )


class PublishedOnlyInTryOuts(ModelBackend):
    """Django's backend for passwords. Outside a try-out it refuses the published password of try-outs.

    A database that a try-out has made contains a user with that password.
    """

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **more: Any,
    ) -> Any:
        """Return the user. If the name or the password is wrong, record a failure and return None."""
        if password == DEVELOPMENT_PASSWORD and not conf.is_try_out:
            password = None
        user = super().authenticate(request, username=username, password=password, **more)
        if user is None:
            note_failure(request, username)
        return user


def _letters(password: str) -> str:
    """Return the letters of a password in lower case, without the signs and digits at its ends.

    Within the password, digits and signs that usually stand for letters become those letters.
    """
    inner = re.sub(r"^[\W\d_]+|[\W\d_]+$", "", password.lower())
    return re.sub(r"[\W\d_]", "", inner.translate(_LOOK_ALIKES))


def _words(user: AbstractBaseUser | None) -> Iterator[str]:
    yield from PRODUCT_WORDS
    yield from (urlsplit(conf.public_url).hostname or "").split(".")
    if user is not None:
        for field in ("username", "first_name", "last_name", "email"):
            yield from re.findall(r"[^\W\d_]+", str(getattr(user, field, "")).lower())


def _without(core: str, words: Iterable[str]) -> str:
    for word in sorted({each for each in words if len(each) > 2}, key=len, reverse=True):
        core = core.replace(word, "")
    return core


@cache
def _breached() -> frozenset[str]:
    """Return Django's list of common passwords, which comes from breaches."""
    return frozenset(CommonPasswordValidator().passwords)
