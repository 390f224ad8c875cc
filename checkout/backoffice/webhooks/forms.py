"""Forms for webhook endpoints."""

from typing import Any
from uuid import UUID, uuid4

from django import forms
from django.core.exceptions import ValidationError

from checkout.backoffice.forms import ConfigurationForm, merchant_choices
from checkout.payments.event_feed import EVENT_TYPES
from checkout.webhooks import actions
from checkout.webhooks.models import WebhookEndpoint


class EndpointForm(ConfigurationForm):
    """A form for an endpoint. It checks the fields in the same way as the API.

    ``form_key`` is created with the form, so that a form that is submitted twice adds one endpoint.
    """

    merchant = forms.ChoiceField(choices=merchant_choices)
    event_types = forms.MultipleChoiceField(
        choices=[(each, each) for each in EVENT_TYPES],
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="If none is chosen, events of all types are sent, including types that are added later.",
    )

    form_key = forms.UUIDField(
        required=False,
        widget=forms.HiddenInput,
        initial=uuid4,
        error_messages={"invalid": "This form is not complete. Open it again."},
    )

    class Meta:
        model = WebhookEndpoint
        fields = ("merchant", "url", "description", "contact_email", "event_types", "payload")
        labels = {"url": "URL"}
        help_texts = {
            "contact_email": "It gets a warning before the endpoint is disabled, as the operators do."
        }

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if self.instance.pk is None and not cleaned.get("form_key"):
            raise ValidationError("This form is not complete. Open it again.")
        if self.instance.pk is None and (fault := actions.merchant_code_error(cleaned.get("merchant", ""))):
            self.add_error("merchant", fault)
        for name, fault in actions.validation_errors(self.values(cleaned)).items():
            self.add_error(name, fault)
        return cleaned

    @staticmethod
    def values(cleaned: dict[str, Any]) -> dict[str, Any]:
        """Return the submitted fields that can also be changed later."""
        return {name: value for name, value in cleaned.items() if name not in ("merchant", "form_key")}


def reference_of(form_key: UUID) -> str:
    """Return the reference of the endpoint that is added by the form with this key."""
    return f"whk_{form_key.hex}"


class SureForm(forms.Form):
    """A form that asks for confirmation if the secret is replaced again during the overlap."""

    is_sure = forms.BooleanField(
        label="Replace it again",
        help_text="The secret was replaced a short time ago, and the old secret is still in use.",
    )
