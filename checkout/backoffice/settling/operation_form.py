"""The form in which staff state the result of a capture, void or refund."""

from typing import Any

from checkout.backoffice.display.wording import SAID, SAID_AT_WORK, SAID_OF_DOUBTED
from checkout.backoffice.settling.decision_form import DecisionForm
from checkout.payments.checkout_messages import Fate


class OperationForm(DecisionForm):
    """A form for a decision about one operation.

    The choices differ if a notification reports a refund as failed. While the operation's flow runs, the only
    choice is to withdraw it.
    """

    field_order = ("seen", "said", "reason")

    def __init__(self, *args: Any, is_doubted: bool, is_at_work: bool, **kwargs: Any) -> None:
        words = SAID_AT_WORK if is_at_work else SAID_OF_DOUBTED if is_doubted else SAID
        question = "What shall become of it?" if is_at_work else "What became of it?"
        super().__init__(*args, question=question, words=words, **kwargs)
        self.is_doubted, self.is_at_work = is_doubted, is_at_work
        self.order_fields(self.field_order)

    @property
    def fate(self) -> Fate:
        """The decision."""
        return Fate(self.cleaned_data["said"])

    @property
    def arrived(self) -> bool:
        """True if staff state that the request arrived."""
        return self.fate == Fate.ARRIVED

    @property
    def gives_up(self) -> bool:
        """True if staff withdraw the operation."""
        return self.fate == Fate.GIVEN_UP
