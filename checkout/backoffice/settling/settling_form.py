"""The form in which staff state the result of a capture, void or refund."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from checkout.backoffice.display.wording import SAID, SAID_AT_WORK, SAID_OF_DOUBTED
from checkout.backoffice.row_actions import ReasonForm
from checkout.payments.checkout_messages import Fate


class DecisionForm(ReasonForm):
    """A decision of staff, based on what is known in ``seen``."""

    def __init__(self, *args: Any, seen: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.seen = seen
        self.fields["seen"] = forms.CharField(widget=forms.HiddenInput, initial=seen)
        self.fields["reason"].help_text = "How you found out, for colleagues: the shopper does not see it."

    @property
    def other_fields(self) -> list[forms.BoundField]:
        """The fields that follow the decision itself."""
        return [field for field in self.visible_fields() if field.name != "said"]

    def clean(self) -> dict[str, Any]:
        """Refuse a decision that was made before the latest change."""
        cleaned: dict[str, Any] = super().clean() or {}
        if any(field.name not in cleaned for field in self.hidden_fields()):
            raise ValidationError("This form is not complete. Open it again.")
        if cleaned["seen"] != self.seen:
            raise ValidationError(
                "More has become known since you opened this form, and is shown below. Nothing was changed; "
                "go on if your answer is still right."
            )
        return cleaned


class SettlementForm(DecisionForm):
    """A decision about one operation. A refund that is in doubt has other choices.

    While its flow is at work, an operation can only be withdrawn.
    """

    field_order = ("seen", "said", "reason")

    def __init__(self, *args: Any, is_doubted: bool, is_at_work: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.is_doubted, self.is_at_work = is_doubted, is_at_work
        self.words = SAID_AT_WORK if is_at_work else SAID_OF_DOUBTED if is_doubted else SAID
        label = "What shall become of it?" if is_at_work else "What became of it?"
        self.fields["said"] = forms.ChoiceField(
            label=label, choices=tuple(self.words.items()), widget=forms.RadioSelect
        )
        self.order_fields(self.field_order)

    @property
    def fate(self) -> Fate:
        """The decision."""
        return Fate(self.cleaned_data["said"])

    @property
    def arrived(self) -> bool:
        """Return True if staff state that it arrived."""
        return self.fate == Fate.ARRIVED

    @property
    def gives_up(self) -> bool:
        """Return True if staff withdraw it."""
        return self.fate == Fate.GIVEN_UP
