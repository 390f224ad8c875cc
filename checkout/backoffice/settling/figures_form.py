"""The form in which staff enter the figures that the provider's books have for a payment."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from checkout.backoffice.display.localised import money_text
from checkout.backoffice.display.wording import HELD_SAID
from checkout.backoffice.requests.amounts import AmountField, plain
from checkout.backoffice.settling.decision_form import DecisionForm
from checkout.money import Money
from checkout.payments.books.figures import TheirBooks
from checkout.payments.models import Attempt, Operation
from checkout.payments.totals import added_up

AMOUNTS = ("captured", "refunded", "charged_back")
HELP = {
    "captured": "All that the provider has captured for this attempt, whatever went back. At most {owed}.",
    "refunded": "All that it has given back, without refunds that failed or came back.",
    "charged_back": "All that the shopper's bank has taken back, less what it has returned.",
}
ORDER_NUMBER = "order_number"
UNDOABLE = (Operation.Kind.CAPTURE, Operation.Kind.REFUND)


class FiguresForm(DecisionForm):
    """A form for the figures of the provider's books for one attempt. Initially they are our own sums.

    If nothing about the payment is open (``is_healthy``), its order number has to be typed as well, so that
    nobody changes the payment's books by mistake.
    """

    def __init__(
        self,
        *args: Any,
        attempt: Attempt,
        ours: Sequence[Operation],
        is_healthy: bool,
        **kwargs: Any,
    ) -> None:
        question = "Does the provider still hold an authorisation?"
        super().__init__(*args, question=question, words=HELD_SAID, **kwargs)
        self.order_reference = attempt.payment.order_reference
        owed, sums = attempt.payment.amount, added_up(attempt.payment, ours)
        for name in AMOUNTS:
            self.fields[name] = AmountField(
                owed.currency,
                may_be_nothing=True,
                initial=plain(Money(getattr(sums, name), owed.currency)),
                help_text=HELP[name].format(owed=money_text(owed)),
            )
        done = [each for each in ours if each.kind in UNDOABLE and each.state == Operation.State.DONE]
        if done:
            self.fields["lacks"] = forms.MultipleChoiceField(
                label="Which of these does the provider not have?",
                choices=[
                    (each.reference, f"{each.kind} of {money_text(each.amount)}, {each.reference}")
                    for each in done
                ],
                widget=forms.CheckboxSelectMultiple,
                required=False,
                help_text="None, if it has all of them, or if the sums tell which one it does not have.",
            )
        if is_healthy:
            self.fields[ORDER_NUMBER] = forms.CharField(
                help_text="Nothing about this payment is open. Type its order number to settle it anyway.",
                widget=forms.TextInput(attrs={"autocomplete": "off"}),
            )
        self.order_fields(("seen", "said", *AMOUNTS, "lacks", "reason", ORDER_NUMBER))

    @property
    def amounts(self) -> list[forms.BoundField]:
        """The fields of the provider's sums."""
        return [self[name] for name in AMOUNTS]

    @property
    def remarks(self) -> list[forms.BoundField]:
        """The fields at the end of the form: the reason and, if asked for, the order number."""
        return [self[name] for name in ("reason", ORDER_NUMBER) if name in self.fields]

    def clean_order_number(self) -> str:
        """Refuse any order number except that of the payment."""
        typed: str = self.cleaned_data[ORDER_NUMBER]
        if typed != self.order_reference:
            raise ValidationError("This is not the order number of this payment.")
        return typed

    @property
    def in_words(self) -> str:
        """The figures of the provider's books in words."""
        return self.theirs.in_words

    @property
    def decisive_field(self) -> None:
        """None, because any of the figures may be wrong."""

    @property
    def theirs(self) -> TheirBooks:
        """The provider's books with the submitted figures."""
        return TheirBooks(
            **{name: self.cleaned_data[name] for name in AMOUNTS},
            is_held=self.cleaned_data["said"] == "held",
            lacks=frozenset(self.cleaned_data.get("lacks", ())),
        )
