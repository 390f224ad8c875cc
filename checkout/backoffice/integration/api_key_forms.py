"""The forms with which staff make and rotate API keys."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone

from checkout.api.access.keys import require_networks
from checkout.api.access.scopes import MEANINGS, Scope
from checkout.api.models import ApiKey
from checkout.backoffice.rights.merchants import visible
from checkout.errors import RequestInvalid
from checkout.payments.models import Merchant


class OnceForm(forms.Form):
    """A form that makes one key, even if it is submitted repeatedly.

    ``form_key`` is created with the form.
    """

    form_key = forms.UUIDField(widget=forms.HiddenInput, initial=uuid4)


def _in_words(scope: Scope) -> str:
    """Return a scope with its meaning, without backticks."""
    return f"{scope}: {MEANINGS[scope]}".replace("`", "")


class NewKeyForm(OnceForm):
    """A form for the merchant, the rights and the lifetime of a new key."""

    merchant: Any = forms.ModelChoiceField(Merchant.objects.order_by("name"))
    name = forms.CharField(
        max_length=100,
        widget=forms.TextInput(attrs={"class": "vTextField"}),
        help_text="The program that gets the key, for example “shop back end”.",
    )
    scopes = forms.MultipleChoiceField(
        choices=[(str(scope), _in_words(scope)) for scope in Scope],
        widget=forms.CheckboxSelectMultiple,
        help_text="Permit only what the program needs.",
    )
    networks = forms.CharField(
        required=False,
        widget=forms.TextInput(attrs={"class": "vTextField"}),
        help_text="The networks that may use the key, separated by commas. Leave it empty for any network.",
    )
    days = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=3650,
        label="Days until it expires",
        help_text="Leave it empty for a key that does not expire.",
    )

    def clean_networks(self) -> list[str]:
        """Accept addresses and networks."""
        try:
            return require_networks(part for part in self.cleaned_data["networks"].split(",") if part.strip())
        except RequestInvalid as error:
            # The error is shown beside the field, so the field's name is removed from its text.
            raise ValidationError(str(error).removeprefix(f"{error.field}: ")) from None

    def __init__(self, *args: Any, user: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        merchants: Any = self.fields["merchant"]
        merchants.queryset = visible(Merchant.objects.order_by("name"), user)

    @property
    def expires_at(self) -> datetime | None:
        """The time at which the key is to expire."""
        days: int | None = self.cleaned_data["days"]
        return None if days is None else timezone.now() + timedelta(days=days)


class RotateForm(OnceForm):
    """A form for the overlap of an old key with its successor. A second successor needs a confirmation."""

    hours = forms.IntegerField(
        min_value=0,
        max_value=24 * 90,
        initial=72,
        label="Hours for which the old key stays valid",
        help_text="The time in which all programs get the new key.",
    )
    is_sure = forms.BooleanField(label="Replace it again")

    def __init__(self, *args: Any, successors: Sequence[ApiKey], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if successors:
            names = ", ".join(map(str, successors))
            self.fields["is_sure"].help_text = f"The key was replaced already, by {names}."
        else:
            del self.fields["is_sure"]
