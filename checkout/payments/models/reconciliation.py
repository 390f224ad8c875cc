"""The differences between our books and a provider's, and the runs of reconciliation that find them."""

from typing import ClassVar

from django.db import models
from django.utils import timezone

from checkout.localised_money import localised_money
from checkout.money import Money
from checkout.payments.models.payment import Payment, ProviderAccount
from checkout.payments.models.staff_handling import StaffHandling

# ISO 4217: the code for transactions without a currency. It marks an order whose amount is not known.
UNKNOWN_CURRENCY = "XXX"


class Difference(StaffHandling):
    """One sum of one order, in minor units, on which the provider's books and ours disagree.

    ``resolved_at`` is set when a later run finds that the books agree again, or when staff settle the payment
    by the provider's sums. Staff may mark an open difference as dealt with. The mark is removed if another
    sum is found. Differences of the kinds ``ledger_…`` are about the payment's ledger entries, and have the
    order code of its first attempt. The other kinds are about its attempts and operations. ``order`` is an
    order that only the provider knows. ``unanswered`` has no sums: the provider does not answer for this
    order, although it answers for others.
    """

    class Kind(models.TextChoices):
        AUTHORISED = "authorised"
        CAPTURED = "captured"
        REFUNDED = "refunded"
        CHARGED_BACK = "charged_back"
        LEDGER_CAPTURED = "ledger_captured"
        LEDGER_REFUNDED = "ledger_refunded"
        LEDGER_CHARGED_BACK = "ledger_charged_back"
        LEDGER_IN_PROCESS = "ledger_in_process"
        CURRENCY = "currency"
        ORDER = "order"
        UNANSWERED = "unanswered"

    account = models.ForeignKey(ProviderAccount, on_delete=models.PROTECT, related_name="differences")
    payment = models.ForeignKey(
        Payment, on_delete=models.PROTECT, null=True, blank=True, related_name="differences"
    )
    order_code = models.CharField(max_length=64)
    kind = models.CharField(max_length=30, choices=Kind.choices, help_text="What differs")
    currency = models.CharField(max_length=3, blank=True)
    ours_minor = models.BigIntegerField(default=0)
    theirs_minor = models.BigIntegerField(default=0)
    found_at = models.DateTimeField(default=timezone.now)
    last_seen_at = models.DateTimeField(default=timezone.now)
    resolved_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["account", "order_code", "kind"],
                condition=models.Q(resolved_at__isnull=True),
                name="a_difference_is_open_once",
            )
        ]
        ordering: ClassVar = ["-found_at"]
        permissions: ClassVar = [("deal_with_difference", "Can mark a difference as dealt with")]

    def __str__(self) -> str:
        return f"{self.order_code}: {self.get_kind_display()}"

    @property
    def ours(self) -> str:
        """Our sum, in English."""
        return self.ours_in("")

    @property
    def theirs(self) -> str:
        """The provider's sum, in English."""
        return self.theirs_in("")

    def ours_in(self, locale: str) -> str:
        """Return our sum, with the amount formatted for a language: in our currency, if the two differ."""
        if self.kind == self.Kind.CURRENCY and self.payment is not None:
            return _in_words(self.ours_minor, self.payment.currency, locale)
        return _in_words(self.ours_minor, self.currency, locale) if self._is_known else "nothing"

    def theirs_in(self, locale: str) -> str:
        """Return the provider's sum, with the amount formatted for a language."""
        return _in_words(self.theirs_minor, self.currency, locale) if self._is_known else "not told"

    @property
    def _is_known(self) -> bool:
        return self.currency != UNKNOWN_CURRENCY or bool(self.ours_minor or self.theirs_minor)


def _in_words(minor: int, currency: str, locale: str) -> str:
    if currency == UNKNOWN_CURRENCY:
        return f"{minor} minor units"
    return localised_money(Money(minor, currency), locale)


# The condition on differences that wait for staff.
OPEN_DIFFERENCE = models.Q(resolved_at=None, dealt_with_at=None)


class PostponedComparison(models.Model):
    """A payment that a run left to the next run, because it was in progress or the provider may show it late.

    The next run compares it even if it has not changed. Some events leave the payment and its sagas
    unchanged: a posting to the ledger, or the notification of an operation that was perhaps made in the
    provider's portal but is attributed to ours. The row is deleted when a run that began after
    ``postponed_at`` has compared the payment. ``sums`` has our sums of that time or before, with which the
    provider's are compared later.

    ``is_lock`` is true if the payment was restored to an earlier moment, so that our books lack later
    captures and refunds. Nothing can be captured, voided or refunded until the sums of both books are known
    to agree.
    """

    account = models.ForeignKey(ProviderAccount, on_delete=models.PROTECT, related_name="+")
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="+")
    postponed_at = models.DateTimeField(default=timezone.now)
    sums = models.JSONField(default=dict, blank=True)
    is_lock = models.BooleanField(default=False)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["account", "payment"], name="a_comparison_is_postponed_once")
        ]

    def __str__(self) -> str:
        return f"{self.account_id} {self.payment_id}"


class Reconciliation(models.Model):
    """One run of reconciliation over the changes of one account.

    All changes before ``compared_until`` have been compared, and all orders that were submitted before
    ``listed_until`` according to the provider's list have been looked up. The next run continues from there.
    Both are None if the run was asked to begin at a later time, so that it left a gap.
    """

    account = models.ForeignKey(ProviderAccount, on_delete=models.PROTECT, related_name="reconciliations")
    started_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)
    compared_until = models.DateTimeField(null=True, blank=True)
    listed_until = models.DateTimeField(null=True, blank=True)
    compared = models.PositiveIntegerField(default=0, help_text="Payments whose sums were compared")
    in_progress = models.PositiveIntegerField(default=0, help_text="Payments left for a later run")
    untold = models.PositiveIntegerField(default=0, help_text="Orders whose sums the provider does not tell")
    unanswered = models.PositiveIntegerField(default=0, help_text="Questions that got no answer")
    differing = models.PositiveIntegerField(default=0, help_text="Differences that were seen")

    class Meta:
        indexes: ClassVar = [models.Index(fields=["account", "-started_at"])]
        ordering: ClassVar = ["-started_at"]

    def __str__(self) -> str:
        return f"run of {self.started_at:%Y-%m-%d %H:%M:%S} UTC"
