"""Forms that browsers post. The card's inputs have no name, so browsers never send them."""

import re
from typing import Any

from django import forms
from django.core.validators import RegexValidator
from django.http import HttpRequest

from checkout.payments.providers.base import Browser
from checkout.references import form_of

# Sizes of EMV 3DS 2. An issuer refuses a request with a longer value.
MAX_HEADER = 2048
MAX_LANGUAGE = 8
COLOUR_DEPTHS = (1, 4, 8, 15, 16, 24, 32, 48)

FOR_THE_ISSUER = ("browser_", "device_data_")

is_opaque = RegexValidator(r"\A[\x21-\x7e]+\Z")  # only the browser and the provider know its content


class PayForm(forms.Form):
    """The only form of the checkout.

    A script fills in the fields for the issuer, all of which may be missing. An invalid value from the
    browser or the provider's frame must not prevent a payment. A value that no issuer would understand counts
    as missing.
    """

    encrypted_card = forms.CharField(max_length=8192, required=False, validators=[is_opaque])
    saved_card = forms.RegexField(rf"\A{form_of('card')}\Z", required=False)
    attempt_number = forms.IntegerField(min_value=1, max_value=1000)
    device_data_reference = forms.CharField(max_length=100, required=False, validators=[is_opaque])
    save_card = forms.BooleanField(required=False)
    browser_language = forms.CharField(max_length=35, required=False)  # a language tag (BCP 47), or nearly
    browser_colour_depth = forms.IntegerField(min_value=0, max_value=999, required=False)
    browser_screen_height = forms.IntegerField(min_value=0, max_value=999_999, required=False)
    browser_screen_width = forms.IntegerField(min_value=0, max_value=999_999, required=False)
    browser_time_zone = forms.RegexField(r"\A-?[0-9]{1,4}\Z", required=False)
    browser_java_enabled = forms.BooleanField(required=False)
    browser_javascript_enabled = forms.BooleanField(required=False)

    def clean(self) -> None:
        """Require a card, saved or encrypted, and treat invalid fields for the issuer as missing."""
        if not self.cleaned_data.get("encrypted_card") and not self.data.get("saved_card"):
            self.add_error("encrypted_card", "No card was sent.")
        _take_as_missing(self, [name for name in self.errors if name.startswith(FOR_THE_ISSUER)])

    def browser(self, request: HttpRequest) -> Browser:
        """Return the browser's data, limited to the sizes and values that EMV 3DS allows."""
        told: dict[str, Any] = self.cleaned_data
        return Browser(
            accept_header=request.headers.get("Accept", "")[:MAX_HEADER],
            user_agent=request.headers.get("User-Agent", "")[:MAX_HEADER],
            # The address of the connection, because a client can send any X-Forwarded-For.
            ip_address=request.META.get("REMOTE_ADDR") or "",
            javascript_enabled=told["browser_javascript_enabled"],
            language=_shortened(told["browser_language"]),
            java_enabled=told["browser_java_enabled"],
            colour_depth=_allowed(told["browser_colour_depth"]),
            screen_height=told["browser_screen_height"],
            screen_width=told["browser_screen_width"],
            time_zone=told["browser_time_zone"],
        )


class ReturnForm(forms.Form):
    """The fields that the ACS sends back through the provider. None of them is trusted as the result.

    Therefore an invalid field does not make a return invalid. A value that cannot be stored counts as
    missing.
    """

    TransactionId = forms.CharField(max_length=1024, required=False)
    MD = forms.CharField(max_length=1024, required=False)

    def clean(self) -> None:
        """See ``Form.clean``."""
        _take_as_missing(self, [*self.errors])


class BuyForm(forms.Form):
    """The example shop's only form."""

    sku = forms.SlugField(max_length=50)
    email = forms.EmailField(max_length=254, label="E-mail for the receipt", initial="shopper@example.com")


def _take_as_missing(form: forms.Form, names: list[str]) -> None:
    for name in names:
        del form.errors[name]
        form.cleaned_data[name] = form.fields[name].clean("")


def _shortened(language: str) -> str:
    """Remove subtags from the end until the tag is short enough: zh-Hans-CN becomes zh-Hans.

    Some browsers send a locale of their system that is no such tag, for example en_US or en-US@posix.
    """
    language = re.split(r"[^A-Za-z0-9-]", language.replace("_", "-"), maxsplit=1)[0]
    while len(language) > MAX_LANGUAGE:
        language = language.rpartition("-")[0]
    return language


def _allowed(depth: int | None) -> int | None:
    """Return the next lower colour depth that EMV 3DS allows.

    Some devices report other depths, such as 30.
    """
    return max((known for known in COLOUR_DEPTHS if depth is not None and known <= depth), default=None)
