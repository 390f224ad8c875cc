"""The form in which staff state if a notification's claim is true."""

from typing import Any

from checkout.backoffice.display.localised import money_text
from checkout.backoffice.display.wording import CLAIM_SAID, ISSUER_SAID
from checkout.backoffice.requests.amounts import AmountField, plain
from checkout.backoffice.settling.decision_form import DecisionForm
from checkout.localised_money import localised_money
from checkout.money import Money
from checkout.payments.books.events import BY_ISSUERS
from checkout.payments.checkout_messages import ClaimFound
from checkout.payments.models import Attempt
from checkout.payments.sagas.asking import AskingData
from checkout.payments.sagas.settlement.claim import TRUE, UNTRUE, left_to_book


class ClaimForm(DecisionForm):
    """A form for a decision about one claim.

    For a charge-back or its reversal the form has an amount, whose initial value is that of the notification.
    """

    field_order = ("seen", "said", "amount", "reason")

    def __init__(self, *args: Any, claim: AskingData, attempt: Attempt, **kwargs: Any) -> None:
        is_by_issuer = claim.claim in BY_ISSUERS
        words = ISSUER_SAID if is_by_issuer else CLAIM_SAID
        super().__init__(*args, question="Is it so?", words=words, **kwargs)
        if is_by_issuer:
            self.fields["amount"] = _amount_field(claim, left_to_book(claim.claim, attempt))
        self.order_fields(self.field_order)

    @property
    def is_true(self) -> bool:
        """Return True if staff state that the claim is true."""
        return bool(self.cleaned_data["said"] == TRUE)

    @property
    def amount(self) -> Money | None:
        """The amount to book; None if nothing is to be booked."""
        return self.cleaned_data.get("amount") if self.is_true else None

    def found_of(self, saga: int) -> ClaimFound:
        """Return the statement of staff about the claim that this saga verifies."""
        if self.amount is None:
            return ClaimFound(saga=saga, is_true=self.is_true)
        minor, currency = self.amount.minor, self.amount.currency
        return ClaimFound(saga=saga, is_true=self.is_true, minor=minor, currency=currency)

    @property
    def decision(self) -> str:
        """The decision in words, with the amount if one is booked."""
        return f"{self.in_words} ({localised_money(self.amount)})" if self.amount else self.in_words

    @property
    def decisive_field(self) -> str:
        """The form's field for the amount if one is to be booked, otherwise that for the decision."""
        return "amount" if self.amount else "said"

    def clean(self) -> dict[str, Any]:
        """Ignore errors of the amount if nothing is booked."""
        cleaned = super().clean()
        if cleaned.get("said") == UNTRUE:
            self.errors.pop("amount", None)
        return cleaned


def _amount_field(claim: AskingData, left: Money) -> AmountField:
    told = None
    if claim.minor and claim.currency == left.currency:
        told = plain(Money(claim.minor, left.currency))
    help_text = f"Of what happened and is not in our books yet. At most {money_text(left)}."
    return AmountField(left.currency, initial=told, help_text=help_text)
