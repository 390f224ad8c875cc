"""The form in which staff state whether a notification's claim is true."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from checkout.backoffice.display.wording import CLAIM_SAID, ISSUER_SAID
from checkout.backoffice.requests.amounts import AmountField, plain
from checkout.backoffice.settling.settling_form import DecisionForm
from checkout.money import Money
from checkout.payments.books.events import BY_ISSUERS
from checkout.payments.models import Attempt
from checkout.payments.sagas.settlement.claim import TRUE, UNTRUE, Seen, left_to_book
from checkout.payments.sagas.settlement.verification import VerificationData


class ClaimForm(DecisionForm):
    """A decision about one claim, based on the state in ``now``.

    For a charge-back or its reversal the form has an amount, whose initial value is that of the notification.
    """

    booked = forms.IntegerField(widget=forms.HiddenInput)
    field_order = ("seen", "booked", "said", "amount", "reason")

    def __init__(
        self, *args: Any, question: VerificationData, attempt: Attempt, now: Seen, **kwargs: Any
    ) -> None:
        super().__init__(*args, version=now.version, **kwargs)
        self.now = now
        self.is_by_issuer = question.claim in BY_ISSUERS
        self.initial["booked"] = now.booked
        self.choices = ISSUER_SAID if self.is_by_issuer else CLAIM_SAID
        self.fields["said"] = forms.ChoiceField(
            label="Is it so?", choices=tuple(self.choices.items()), widget=forms.RadioSelect
        )
        if self.is_by_issuer:
            self.fields["amount"] = _amount_field(question, left_to_book(question.claim, attempt))
        self.order_fields(self.field_order)

    @property
    def is_true(self) -> bool:
        """Return True if staff state that the claim is true."""
        return bool(self.cleaned_data["said"] == TRUE)

    @property
    def amount(self) -> Money | None:
        """The amount to book; None if nothing is to be booked."""
        return self.cleaned_data.get("amount") if self.is_true else None

    @property
    def in_words(self) -> str:
        """The text of the chosen decision."""
        return self.choices.get(self["said"].value() or "", "")

    def clean(self) -> dict[str, Any]:
        """Refuse a decision that was made before the latest booking."""
        cleaned = super().clean()
        if cleaned.get("said") == UNTRUE:
            # Nothing is booked in this case, so the amount need not be valid.
            self.errors.pop("amount", None)
        if cleaned.get("booked", self.now.booked) != self.now.booked:
            raise ValidationError(
                "A charge-back or reversal has been booked since you opened this form, and is shown below. "
                "Nothing was changed; go on if your answer is still right."
            )
        return cleaned


def _amount_field(question: VerificationData, left: Money) -> AmountField:
    told = None
    if question.minor and question.currency == left.currency:
        told = plain(Money(question.minor, left.currency))
    help_text = f"Of what happened and is not in our books yet. At most {left}."
    return AmountField(left.currency, initial=told, help_text=help_text)
