"""The form in which staff state their findings."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from checkout.backoffice.row_actions import ReasonForm


class DecisionForm(ReasonForm):
    """A form for a decision of staff, based on the state that ``seen`` describes.

    The field ``said`` asks the ``question``. Its choices are the keys of ``words``.
    """

    def __init__(self, *args: Any, seen: str, question: str, words: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.seen, self.words = seen, words
        self.fields["said"] = forms.ChoiceField(
            label=question, choices=tuple(words.items()), widget=forms.RadioSelect
        )
        self.fields["seen"] = forms.CharField(widget=forms.HiddenInput, initial=seen)
        self.fields["reason"].help_text = "How you found out, for colleagues: the shopper does not see it."

    @property
    def in_words(self) -> str:
        """The decision in words."""
        return self.words.get(self["said"].value() or "", "")

    @property
    def decision(self) -> str:
        """The decision in words, with everything that is recorded with it."""
        return self.in_words

    @property
    def decisive_field(self) -> str | None:
        """The field to change if the decision is not possible; None if the error is not in one field."""
        return "said"

    @property
    def other_fields(self) -> list[forms.BoundField]:
        """The visible fields after the decision itself."""
        return [field for field in self.visible_fields() if field.name != "said"]

    def clean(self) -> dict[str, Any]:
        """Refuse a decision if the state has changed since the form was opened."""
        cleaned: dict[str, Any] = super().clean() or {}
        if any(field.name not in cleaned for field in self.hidden_fields()):
            raise ValidationError("This form is not complete. Open it again.")
        if cleaned["seen"] != self.seen:
            raise ValidationError(
                "More has become known since you opened this form, and is shown below. Nothing was changed; "
                "go on if your answer is still right."
            )
        return cleaned
