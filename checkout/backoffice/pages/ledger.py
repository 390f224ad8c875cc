"""The ledger's entries, and the check that a payment's postings balance."""

from collections import defaultdict
from dataclasses import dataclass

from django.contrib import admin

from checkout.backoffice.base import ReadOnlyAdmin
from checkout.backoffice.display.values import payment_link
from checkout.ledger.models import LedgerEntry
from checkout.localised_money import localised_money
from checkout.money import Money
from checkout.payments.models import Payment


@dataclass(frozen=True, slots=True)
class Books:
    """The ledger entries of one payment. ``totals`` has a sum for each currency, which should be zero."""

    entries: list[tuple[LedgerEntry, Money]]
    totals: list[Money]
    is_balanced: bool


def books_of(payment: Payment) -> Books:
    """Return a payment's ledger entries. They are balanced if each posting adds up to zero."""
    entries = list(LedgerEntry.objects.filter(payment_reference=payment.reference))
    totals: dict[str, int] = defaultdict(int)
    postings: dict[tuple[str, str], int] = defaultdict(int)
    for entry in entries:
        totals[entry.currency] += entry.amount_minor
        postings[entry.posting, entry.currency] += entry.amount_minor
    sums = [Money(minor, currency) for currency, minor in sorted(totals.items())]
    lines = [(entry, Money(entry.amount_minor, entry.currency)) for entry in entries]
    return Books(lines, sums, is_balanced=not any(postings.values()))


@admin.register(LedgerEntry)
class LedgerEntryAdmin(ReadOnlyAdmin):
    """One side of each posting."""

    list_display = ("posting", "account", "amount", "payment", "posted_at")
    list_filter = (("posted_at", admin.DateFieldListFilter),)
    search_fields = ("payment_reference__exact", "posting__exact")
    search_help_text = "Payment reference, or posting"
    date_hierarchy = "posted_at"
    fields = ("posting", "account", "amount", "payment", "posted_at")
    readonly_fields = ("amount", "payment")

    @admin.display(description="amount (debit positive)", ordering="amount_minor")
    def amount(self, entry: LedgerEntry) -> str:
        return localised_money(Money(entry.amount_minor, entry.currency))

    @admin.display(ordering="payment_reference")
    def payment(self, entry: LedgerEntry) -> str:
        return payment_link(entry.payment_reference)
