"""The form with which staff request a capture, void or refund."""

from typing import Any
from uuid import UUID, uuid4

from django import forms
from django.core.exceptions import ValidationError

from checkout.backoffice.display.localised import money_text
from checkout.backoffice.requests.amounts import AmountField, plain
from checkout.money import Money
from checkout.payments.models import Operation, Payment


class OperationForm(forms.Form):
    """A form that requests one operation on ``payment``, at most for the amount ``left``.

    ``key`` is created with the form, so that a form that is submitted twice requests one operation. ``seen``
    is the amount that was left when the form was created. If two users saw the same amount, the second one to
    submit gets an error.
    """

    key = forms.UUIDField(widget=forms.HiddenInput, initial=uuid4)
    seen = forms.IntegerField(widget=forms.HiddenInput)
    reason = forms.CharField(
        max_length=Operation._meta.get_field("reason").max_length,
        widget=forms.TextInput(attrs={"class": "vTextField"}),
        help_text="The merchant sees the reason and your name. The shopper does not.",
    )
    field_order = ("key", "seen", "amount", "reason")

    def __init__(self, *args: Any, payment: Payment, left: Money, has_amount: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.payment = payment
        self.left = left
        self.is_repeat = False
        self.initial["seen"] = left.minor
        if has_amount:
            help_text = f"At most {money_text(left)}."
            self.fields["amount"] = AmountField(left.currency, initial=plain(left), help_text=help_text)
            self.order_fields(self.field_order)

    @property
    def idempotency_key(self) -> str:
        """The idempotency key of the operation, which is the same if the form is submitted again."""
        return _key(self.cleaned_data["key"])

    def clean(self) -> dict[str, Any]:
        """Refuse a form whose seen amount differs from ``left``, unless this form was submitted before."""
        cleaned: dict[str, Any] = super().clean() or {}
        if "key" not in cleaned or "seen" not in cleaned:
            raise ValidationError("This form is not complete. Open it again.")
        self.is_repeat = self.payment.operations.filter(idempotency_key=_key(cleaned["key"])).exists()
        if self.is_repeat:
            return cleaned
        if cleaned["seen"] != self.left.minor:
            raise ValidationError(
                "This payment has changed since you opened this form: "
                f"{money_text(self.left)} is left now. Nothing was requested; check the amount and "
                "go on if it is still right."
            )
        if "amount" in cleaned and self.left < cleaned["amount"]:
            self.add_error("amount", f"Only {money_text(self.left)} is left.")
        return cleaned


def _key(key: UUID) -> str:
    return f"staff-{key}"
