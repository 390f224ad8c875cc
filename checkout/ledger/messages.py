"""The commands of the ledger service."""

from enum import StrEnum

from checkout.messages import Command, Done


class Posting(StrEnum):
    """The kinds of postings. ``checkout/ledger/service.py`` lists the accounts of each kind."""

    CAPTURE_REQUESTED = "capture_requested"
    CAPTURED = "captured"
    REFUNDED = "refunded"
    REVERSAL = "reversal"
    CAPTURE_RETURNED = "capture_returned"
    REFUND_RETURNED = "refund_returned"
    CHARGED_BACK = "charged_back"
    CHARGE_BACK_REVERSED = "charge_back_reversed"


class PostEntries(Command[Done], frozen=True):
    """Make one posting, with both sides. The sender does not wait for an answer.

    ``kind`` is the text of a ``Posting``. The ledger rejects unknown kinds.
    """

    to = "ledger.post"
    again = "one posting per `kind` and `reference`; the same with other amounts is an error"

    payment: str
    kind: str
    reference: str
    minor: int
    currency: str
    merchant_code: str = ""

    @property
    def name(self) -> str:
        """The name of the posting. Only one posting with a name is made."""
        return f"{self.kind}:{self.reference}"
