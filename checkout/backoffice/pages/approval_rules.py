"""The pages of the rules of approval, which administrators manage."""

from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError

from checkout.backoffice.display.localised import money_text
from checkout.backoffice.forms import ConfigurationForm
from checkout.backoffice.pages.configuration import ConfigurationAdmin
from checkout.money import CURRENCIES, exponent
from checkout.payments.actions.creation import LARGEST_MINOR
from checkout.payments.models import ApprovalRule
from checkout.payments.models.approval import Matter


class ApprovalRuleForm(ConfigurationForm):
    """A form for a rule: kind of action and, for refunds and captures, currency and largest amount."""

    above_minor = forms.DecimalField(
        label="Above",
        required=False,
        min_value=0,
        help_text="Larger refunds and captures need an approval: 500 for £500.00. With 0, each of them does. "
        "Leave it empty for other matters.",
    )

    class Meta:
        model = ApprovalRule
        fields = ("merchant", "matter", "currency", "above_minor")
        help_texts = {
            "currency": "For refunds and captures, for example GBP. Each currency has its own rule."
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rule = self.instance
        if rule.pk is not None:
            self.initial["above_minor"] = rule.above.decimal if rule.currency else None

    def clean(self) -> dict[str, Any]:
        """Convert the amount to minor units of its currency."""
        cleaned: dict[str, Any] = super().clean() or {}
        is_money = (cleaned.get("matter") or self.instance.matter) == Matter.MONEY
        currency = (cleaned.get("currency", self.instance.currency) or "").upper()
        if is_money and currency not in CURRENCIES:
            self.add_error("currency" if "currency" in self.fields else None, "Enter a currency (ISO 4217).")
            return cleaned
        if not is_money and (currency or cleaned.get("above_minor")):
            raise ValidationError("Only refunds and captures have a currency and an amount.")
        scaled = (cleaned.get("above_minor") or Decimal(0)).scaleb(exponent(currency) if is_money else 0)
        if scaled != scaled.to_integral_value() or scaled > LARGEST_MINOR:
            self.add_error("above_minor", f"This is not an amount in {currency}.")
            return cleaned
        return {**cleaned, "currency": currency, "above_minor": int(scaled)}


@admin.register(ApprovalRule)
class ApprovalRuleAdmin(ConfigurationAdmin):
    form = ApprovalRuleForm
    list_display = ("merchant", "matter", "limit")
    list_select_related = ("merchant",)
    list_display_links = ("matter",)
    list_filter = ("merchant", "matter")
    search_fields = ("merchant__code", "merchant__name")
    fields = ("merchant", "matter", "currency", "above_minor")
    fixed_fields = ("merchant", "matter", "currency")

    @admin.display(description="above")
    def limit(self, rule: ApprovalRule) -> str:
        return money_text(rule.above) if rule.currency else "always"
