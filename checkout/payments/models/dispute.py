"""Payments of which a dispute is known. Their charge-backs are operations, and claims are verifications."""

from typing import ClassVar

from checkout.payments.models.payment import Payment


class Dispute(Payment):
    """A payment of which issuers took money back, or are said to have done so, or ask for information."""

    class Meta:
        proxy = True
        # The permission to view payments applies to them.
        default_permissions = ()
        ordering: ClassVar = ["-created_at"]
