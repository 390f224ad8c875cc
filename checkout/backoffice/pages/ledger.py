"""The ledger: entries, totals by day, balances, and the check that a payment's postings balance."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from checkout.backoffice.base import ModelAdmin, ReadOnlyAdmin
from checkout.backoffice.display.localised import day_text, money_text
from checkout.backoffice.display.values import (
    NOTHING,
    Table,
    humanised,
    payment_link,
    quantity_text,
    short_time,
)
from checkout.backoffice.display.wording import LEDGER_ACCOUNTS, POSTINGS
from checkout.backoffice.exports import WithExport
from checkout.backoffice.rights.merchants import merchants_of, visible
from checkout.ledger.daily_totals import WALK, balances_by_account, balances_by_merchant, owed_minor
from checkout.ledger.messages import PostEntries
from checkout.ledger.models import DailyTotal, LedgerEntry
from checkout.money import Money
from checkout.payments.models import DeadLetter, Difference, Merchant, Payment, RetentionWalk
from checkout.payments.models.messages import OPEN_LETTER
from checkout.payments.models.reconciliation import OPEN_DIFFERENCE


@dataclass(frozen=True, slots=True)
class Books:
    """The ledger entries of one payment. ``totals`` has one sum for each currency, which should be zero."""

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


class MerchantFilter(admin.SimpleListFilter):
    """A filter by merchant. The choices are the merchants that the user sees."""

    title = "merchant"
    parameter_name = "merchant"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin) -> list[tuple[str, str]]:
        seen = visible(Merchant.objects.all(), request.user).order_by("name")
        return list(seen.values_list("code", "name"))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(merchant_code=self.value()) if self.value() else queryset


class AccountFilter(admin.SimpleListFilter):
    """A filter by the account."""

    title = "account"
    parameter_name = "account"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin) -> list[tuple[str, str]]:
        return list(LEDGER_ACCOUNTS.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(account=self.value()) if self.value() else queryset


class WithBalances:
    """A mixin for lists of the ledger, which shows balances above the rows."""

    change_list_template: Any = "admin/ledger/change_list.html"

    def balances(self, request: HttpRequest) -> Table:
        """Return the table of balances of the merchants that the user sees and has chosen."""
        raise NotImplementedError

    def changelist_view(self, request: Any, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Add the balances, the time of their count, and the postings that they may lack."""
        if not self.has_view_permission(request):  # type: ignore[attr-defined]
            raise PermissionDenied
        walk = RetentionWalk.objects.filter(table=WALK).first()
        context = {
            "balances": self.balances(request),
            "counted_at": walk.began_at if walk else None,
            "left_out": list(_left_out(request.user)),
        }
        return super().changelist_view(  # type: ignore[misc,no-any-return]
            request, {**context, **(extra_context or {})}
        )


def _chosen_totals(request: HttpRequest) -> QuerySet[DailyTotal]:
    totals, merchant = visible(DailyTotal.objects.all(), request.user), request.GET.get("merchant")
    return totals.filter(merchant_code=merchant) if merchant else totals


def _left_out(user: Any) -> Iterator[tuple[str, str]]:
    """Yield, in words, postings that may be missing from the ledger, each with the address of their list."""
    if merchants_of(user) is None:
        failed = DeadLetter.objects.filter(OPEN_LETTER, type=PostEntries.to).count()
        if failed:
            address = f"{reverse('admin:payments_deadletter_changelist')}?q={PostEntries.to}"
            yield f"{quantity_text(failed, 'posting')} could not be made yet", address
    if user.has_perm("payments.view_difference"):
        differing = visible(Difference.objects.filter(OPEN_DIFFERENCE), user).count()
        if differing:
            address = f"{reverse('admin:payments_difference_changelist')}?status=open"
            yield f"{quantity_text(differing, 'difference')} from the provider's books to settle", address


@admin.register(LedgerEntry)
class LedgerEntryAdmin(WithBalances, WithExport, ReadOnlyAdmin):
    """The entries of the ledger, newest first. Each is one side of a posting."""

    list_display = ("posted", "kind", "account_in_words", "amount", "payment", "merchant_code")
    list_display_links = ("posted",)
    list_filter = (MerchantFilter, AccountFilter, ("posted_at", admin.DateFieldListFilter))
    search_fields = ("payment_reference__exact", "posting__exact")
    search_help_text = "Payment reference, or posting"
    ordering = ("-pk",)
    fields = ("posting", "account", "account_in_words", "amount", "payment", "merchant_code", "posted_at")
    readonly_fields = ("account_in_words", "amount", "payment")
    export_columns = MappingProxyType(
        {
            "posted": lambda entry: entry.posted_at,
            "posting": lambda entry: entry.posting,
            "account": lambda entry: entry.account,
            "amount": lambda entry: Money(entry.amount_minor, entry.currency).decimal,
            "minor": lambda entry: entry.amount_minor,
            "currency": lambda entry: entry.currency,
            "payment": lambda entry: entry.payment_reference,
            "merchant": lambda entry: entry.merchant_code,
        }
    )

    def balances(self, request: HttpRequest) -> Table:
        """Return the balance of each account."""
        balances = balances_by_account(balances_by_merchant(_chosen_totals(request)))
        rows = [
            (LEDGER_ACCOUNTS[account], account, money_text(Money(minor, currency)))
            for account, currency, minor in balances
        ]
        return Table("Balances", ("Account", "Name", "Balance (debit positive)"), rows, "Nothing was posted.")

    @admin.display(description="posted", ordering="pk")
    def posted(self, entry: LedgerEntry) -> str:
        return short_time(entry.posted_at)

    @admin.display(description="posting", ordering="posting")
    def kind(self, entry: LedgerEntry) -> str:
        kind = entry.posting.partition(":")[0]
        return POSTINGS.get(kind) or humanised(kind)

    @admin.display(description="account", ordering="account")
    def account_in_words(self, entry: LedgerEntry) -> str:
        return LEDGER_ACCOUNTS.get(entry.account, entry.account)

    @admin.display(description="amount (debit positive)", ordering="amount_minor")
    def amount(self, entry: LedgerEntry) -> str:
        return money_text(Money(entry.amount_minor, entry.currency))

    @admin.display(ordering="payment_reference")
    def payment(self, entry: LedgerEntry) -> str:
        return payment_link(entry.payment_reference)


class KindFilter(admin.SimpleListFilter):
    """A filter by the kind of posting."""

    title = "kind"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin) -> list[tuple[str, str]]:
        return [*POSTINGS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(kind=self.value()) if self.value() else queryset


@admin.register(DailyTotal)
class DailyTotalAdmin(WithBalances, WithExport, ReadOnlyAdmin):
    """The postings of each day by merchant, currency and kind, and the total that the provider owes."""

    list_display = ("on_day", "merchant_code", "kind_in_words", "postings", "amount", "owed")
    list_display_links = None
    search_fields = ("merchant_code__exact",)
    search_help_text = "Code of the merchant"
    list_filter = (
        MerchantFilter,
        KindFilter,
        ("currency", admin.AllValuesFieldListFilter),
        ("day", admin.DateFieldListFilter),
    )
    fields = ("day", "merchant_code", "kind_in_words", "postings", "amount", "owed")
    readonly_fields = ("kind_in_words", "amount", "owed")
    export_columns = MappingProxyType(
        {
            "day": lambda total: total.day,
            "merchant": lambda total: total.merchant_code,
            "kind": lambda total: total.kind,
            "postings": lambda total: total.postings,
            "amount": lambda total: Money(total.minor, total.currency).decimal,
            "minor": lambda total: total.minor,
            "currency": lambda total: total.currency,
            "owed_minor": owed_minor,
        }
    )

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return True for users who may view the entries."""
        return request.user.has_perm("ledger.view_ledgerentry")

    def has_module_permission(self, request: HttpRequest) -> bool:
        """See ``has_view_permission``."""
        return self.has_view_permission(request)

    def balances(self, request: HttpRequest) -> Table:
        """Return the amounts that the provider owes for each merchant."""
        headers = ("Merchant", "Captured", "Refunded", "Disputed", "Owed, before fees", "On their way")
        rows = [
            (
                balance.merchant_code or NOTHING,
                *(
                    money_text(Money(minor, balance.currency))
                    for minor in (
                        balance.captured,
                        -balance.refunded,
                        -balance.disputed,
                        balance.owed,
                        balance.in_process,
                    )
                ),
            )
            for balance in balances_by_merchant(_chosen_totals(request))
        ]
        return Table("What the provider owes", headers, rows, "Nothing was posted.")

    @admin.display(description="day (UTC)", ordering="day")
    def on_day(self, total: DailyTotal) -> str:
        return day_text(total.day)

    @admin.display(description="kind", ordering="kind")
    def kind_in_words(self, total: DailyTotal) -> str:
        return POSTINGS.get(total.kind) or humanised(total.kind)

    @admin.display(description="amount", ordering="minor")
    def amount(self, total: DailyTotal) -> str:
        return money_text(Money(total.minor, total.currency))

    @admin.display(description="adds to what is owed")
    def owed(self, total: DailyTotal) -> str:
        minor = owed_minor(total)
        return money_text(Money(minor, total.currency)) if minor else NOTHING
