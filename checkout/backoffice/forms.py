"""Forms that validate configuration before it is stored."""

from collections.abc import Iterable
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from checkout.api.models import ApiKey
from checkout.backoffice.base import ModelForm
from checkout.conf.networks import identity_of
from checkout.mail import email_addresses
from checkout.money import CURRENCIES
from checkout.orders.models import StockItem
from checkout.payments.actions.creation import LARGEST_MINOR
from checkout.payments.card_brands import SCHEMES
from checkout.payments.logos import LARGEST_BYTES, NotALogo, name_of
from checkout.payments.models import Appearance, Logo, Merchant, ProviderAccount
from checkout.payments.providers.registry import available
from checkout.risk.models import BlockedValue
from checkout.webhooks.models import WebhookEndpoint


class ConfigurationForm(ModelForm):
    """A form that also submits its initial values, so that ``changed_data`` has only edited fields.

    Otherwise a form that was opened before another user's change would undo that change.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is not None:
            for field in self.fields.values():
                field.show_hidden_initial = True


class MerchantForm(ConfigurationForm):
    """A form for a merchant, with the origins to which shoppers may be sent back."""

    class Meta:
        model = Merchant
        fields = ("name", "code", "is_live", "return_origins")
        help_texts = {
            "is_live": "Payments are real. After the first payment, this cannot be changed, and API keys of "
            "the other kind are refused.",
            "return_origins": 'A JSON list, for example ["https://shop.example"]',
        }

    def clean_return_origins(self) -> list[str]:
        """Accept only a list of origins: any other value could let a shopper be sent to any site."""
        origins = self.cleaned_data["return_origins"] or []
        if not isinstance(origins, list) or not all(isinstance(origin, str) for origin in origins):
            raise ValidationError("This must be a JSON list of strings.")
        for origin in origins:
            if not _is_origin(origin):
                raise ValidationError(f"{origin} is not an origin: scheme and host, without a path.")
        return origins

    def clean_code(self) -> str:
        """Refuse the code of a deleted merchant, because that merchant's API keys would get a new owner."""
        code: str = self.cleaned_data["code"]
        if users := users_of([code]):
            raise ValidationError(
                f"An earlier merchant had this code, and still has this: {users[0]}. Choose another code."
            )
        return code


class AppearanceForm(ConfigurationForm):
    """A form for the look of a merchant's pages for shoppers, the links, and the contact details."""

    logo: Logo | None = None
    image = forms.FileField(
        required=False, help_text="A PNG or JPEG image of at most 100 kB, for the head of the pages"
    )
    removes_logo = forms.BooleanField(required=False, label="Show no logo")

    class Meta:
        model = Appearance
        fields = (
            "merchant",
            "default_language",
            "colour",
            "support_email",
            "support_phone",
            "terms_url",
            "privacy_url",
        )
        field_classes = dict.fromkeys(
            ("terms_url", "privacy_url"), partial(forms.URLField, assume_scheme="https")
        )

    def clean_image(self) -> Any:
        """Refuse a file whose content is not an image, whatever its name and type."""
        file = self.cleaned_data["image"]
        if file:
            content = file.read(LARGEST_BYTES + 1)
            try:
                self.logo = Logo(name=name_of(content), content=content)
            except NotALogo as error:
                raise ValidationError(str(error)) from None
        return file


def _is_origin(text: str) -> bool:
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018  this raises an error if the port is not a number
    except ValueError:
        return False
    return (
        parts.scheme in ("http", "https")
        and bool(parts.netloc)
        and text == f"{parts.scheme}://{parts.netloc}"
    )


def merchant_choices() -> list[tuple[str, str]]:
    """Return the code and the name of each merchant, for tables that refer to merchants by code."""
    return [(each.code, each.name) for each in Merchant.objects.order_by("name")]


def users_of(codes: Iterable[str]) -> list[str]:
    """Return the names of API keys, webhook endpoints and stock items of the merchants with these codes."""
    wanted = list(codes)
    keys = ApiKey.objects.filter(merchant__in=wanted)
    endpoints = WebhookEndpoint.objects.filter(merchant__in=wanted)
    items = StockItem.objects.filter(merchant_code__in=wanted)
    return [
        *(f"API key {key}" for key in keys),
        *(f"webhook endpoint {each}" for each in endpoints),
        *(f"stock item {each}" for each in items),
    ]


class ProviderAccountForm(ConfigurationForm):
    """A form for a merchant's account with a provider for which there is an adapter."""

    provider = forms.ChoiceField(choices=lambda: [(code, code) for code in available()])
    accepted_brands = forms.MultipleChoiceField(
        choices=list(SCHEMES.items()),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="The card form names them, and refuses cards that begin like those of another brand. "
        "Choose none to accept what the provider accepts.",
    )

    class Meta:
        model = ProviderAccount
        fields = ("code", "merchant", "provider", "merchant_code", "endpoint", "options", "accepted_brands")
        field_classes = {"endpoint": partial(forms.URLField, assume_scheme="https")}
        help_texts = {"options": "A JSON object of the adapter's options. Credentials do not belong here."}

    def clean_options(self) -> dict[str, Any]:
        options = self.cleaned_data["options"] or {}
        if not isinstance(options, dict):
            raise ValidationError("This must be a JSON object.")
        return options


# The column holds twice this number, so that reserved stock can be given back.
MOST_IN_STOCK = 1_000_000_000


class StockItemForm(ConfigurationForm):
    """A form for an item. The quantity cannot be set if the stock has changed since the form was opened."""

    merchant_code = forms.ChoiceField(label="Merchant", choices=merchant_choices)

    class Meta:
        model = StockItem
        fields = ("merchant_code", "name", "sku", "price_minor", "currency", "quantity")
        labels = {"price_minor": "Price in minor units (1250 for 12.50)"}
        help_texts = {"price_minor": "In minor units: 1250 is 12.50 GBP, 1250 JPY or 1.250 KWD."}

    def clean_price_minor(self) -> int:
        price: int = self.cleaned_data["price_minor"]
        if price <= 0:
            raise ValidationError("The price must be greater than zero.")
        if price > LARGEST_MINOR:
            raise ValidationError(f"The price may be at most {LARGEST_MINOR:,}.")
        return price

    def clean_currency(self) -> str:
        currency: str = self.cleaned_data["currency"].upper()
        if currency not in CURRENCIES:
            raise ValidationError("This is not a currency in which shoppers can pay (ISO 4217).")
        return currency

    def clean_quantity(self) -> int:
        quantity: int = self.cleaned_data["quantity"]
        if quantity > MOST_IN_STOCK and "quantity" in self.changed_data:
            raise ValidationError(f"The quantity may be at most {MOST_IN_STOCK:,}.")
        seen = self.data.get(self["quantity"].html_initial_name)
        is_counted = self.instance.pk and "quantity" in self.changed_data
        if is_counted and seen != str(self.initial["quantity"]):
            raise ValidationError(
                f"The stock has changed since this page was opened: it is {self.initial['quantity']} now."
            )
        return quantity


class BlockedValueForm(ConfigurationForm):
    """A form for a blocked e-mail or IP address, in the form in which the risk service compares it."""

    class Meta:
        model = BlockedValue
        fields = ("kind", "value", "reason")
        help_texts = {
            "value": "An IPv6 address blocks its /64 network, in which its user can choose any address"
        }

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        value = cleaned.get("value", "").strip()
        try:
            if cleaned.get("kind") == BlockedValue.Kind.IP_ADDRESS:
                cleaned["value"] = identity_of(value)
            elif value:
                validate_email(value)
                cleaned["value"] = email_addresses.identity_of(value)
        except (ValueError, ValidationError):
            self.add_error("value", "This is not an address of that kind.")
        return cleaned
