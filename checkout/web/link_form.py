"""The form of a payment link: a quantity or an amount of the shopper's choice, and an e-mail address."""

import re
import unicodedata
from difflib import get_close_matches

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.http import QueryDict
from django.utils.translation import gettext_noop as _

from checkout.languages import translated
from checkout.localised_money import localised_money
from checkout.money import Money, exponent
from checkout.payments.actions.links import Chosen
from checkout.payments.models import PaymentLink
from checkout.privacy import card_numbers

# Common providers of e-mail. A domain that is almost equal to one of these is probably misspelt.
_COMMON = (
    *("gmail.com", "googlemail.com", "outlook.com", "hotmail.com", "hotmail.co.uk", "live.com", "icloud.com"),
    *("yahoo.com", "yahoo.co.uk", "yahoo.fr", "gmx.de", "gmx.net", "web.de", "t-online.de", "orange.fr"),
    *("libero.it", "wp.pl", "ziggo.nl", "btinternet.com", "aol.com", "me.com", "proton.me", "protonmail.com"),
)
_ALIKE = 0.8


class LinkForm(forms.Form):
    """The choices of a shopper. ``formats`` is the language tag for amounts in error messages."""

    quantity = forms.CharField(required=False)
    amount = forms.CharField(required=False)
    email = forms.CharField(required=False)
    confirmed_email = forms.CharField(required=False)

    def __init__(self, link: PaymentLink, data: QueryDict, formats: str) -> None:
        super().__init__(data)
        self._link, self._formats = link, formats

    def clean_quantity(self) -> int:
        """Return a number from one to the most that the link allows."""
        if self._link.max_quantity == 1:
            return 1
        text = _in_latin_digits(self.cleaned_data["quantity"])
        if re.fullmatch("[0-9]{1,3}", text) and 1 <= int(text) <= self._link.max_quantity:
            return int(text)
        most = self._link.max_quantity
        raise ValidationError(translated(_("Enter a number from 1 to {most}.")).format(most=most))

    def clean_amount(self) -> int | None:
        """Return the chosen amount in minor units; None if the link has one price."""
        if not self._link.is_adjustable:
            return None
        least, most = self._link.least_minor or 1, self._link.most_minor or 0
        minor = minor_units_in(self.cleaned_data["amount"], self._link.currency)
        if minor is not None and least <= minor <= most:
            return minor
        sums = (localised_money(Money(each, self._link.currency), self._formats) for each in (least, most))
        text = translated(_("Enter an amount from {least} to {most}."))
        raise ValidationError(text.format(**dict(zip(("least", "most"), sums, strict=True))))

    def clean_email(self) -> str:
        """Return the address to which the receipt goes; "" if the link does not ask for one."""
        if not self._link.asks_email:
            return ""
        email = str(self.cleaned_data["email"]).strip()
        try:
            validate_email(email)
        except ValidationError:
            email = ""
        if not email or len(email) > 254 or card_numbers.contains(email):
            raise ValidationError(translated(_("Enter an e-mail address, such as name@example.com.")))
        return email

    @property
    def suggestion(self) -> str:
        """The likely intended address, or "".

        It is suggested until the shopper submits the typed one again.
        """
        email = self.cleaned_data.get("email", "")
        if not email or email == self.cleaned_data.get("confirmed_email"):
            return ""
        return suggestion_for(email)

    @property
    def chosen(self) -> Chosen:
        """The shopper's choices. The form must be valid."""
        cleaned = self.cleaned_data
        return Chosen(
            quantity=cleaned["quantity"], amount_minor=cleaned["amount"], shopper_email=cleaned["email"]
        )


def suggestion_for(email: str) -> str:
    """Return the address with a common domain if its own domain is a likely misspelling of that; else ""."""
    name, _at, domain = email.rpartition("@")
    near = get_close_matches(domain.lower(), _COMMON, n=1, cutoff=_ALIKE)
    return f"{name}@{near[0]}" if near and domain.lower() not in _COMMON else ""


def minor_units_in(text: str, currency: str) -> int | None:
    """Return a typed amount in minor units; None if the text is not an amount.

    Both the dot and the comma may separate the decimal places. Separators of thousands are refused, because
    1.200 means different amounts in different countries.
    """
    places = exponent(currency)
    pattern = "([0-9]{1,12})" + (f"(?:[.,]([0-9]{{1,{places}}}))?" if places else "()")
    found = re.fullmatch(pattern, re.sub(r"\s", "", _in_latin_digits(text)))
    return int(found[1] + (found[2] or "").ljust(places, "0")) if found else None


def _in_latin_digits(text: str) -> str:
    """Return the text with Latin digits, and with a dot for the Arabic decimal separator."""
    digits = (str(unicodedata.decimal(each, each)) for each in text.strip())
    return "".join(digits).replace("\N{ARABIC DECIMAL SEPARATOR}", ".")
