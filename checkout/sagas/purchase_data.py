"""What a purchase knows."""

from checkout import commands
from checkout.sagas.definition import Decision


class PurchaseData(commands.Body, frozen=True, forbid_unknown_fields=False):
    """What the purchase knows. ``inquiries``, ``tries`` and ``voids`` count what was asked in vain.

    ``has_card`` is whether the submission came with its card, which is in no table.
    ``is_capture_refused`` is news that came while something else had to be finished first.
    """

    payment: str
    attempt: str
    minor: int
    currency: str
    email: str
    ip_address: str
    lines: list[commands.OrderLine]
    captures: bool
    capture_operation: str
    has_card: bool = True
    inquiries: int = 0
    tries: int = 0
    voids: int = 0
    is_expiring: bool = False
    is_capture_refused: bool = False


D = Decision[PurchaseData]
