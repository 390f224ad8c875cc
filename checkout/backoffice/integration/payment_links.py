"""Payment links, which merchants' programs make and send to shoppers."""

from collections.abc import Iterator

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from checkout.backoffice.base import ModelAdmin
from checkout.backoffice.display.facts import FactLine, merchant_text
from checkout.backoffice.display.localised import money_text
from checkout.backoffice.display.values import NOTHING, badge, humanised, json_block
from checkout.backoffice.row_actions import ReadOnlyAdminWithActions, Verb
from checkout.backoffice.search import match_exactly
from checkout.money import Money
from checkout.payments.actions import links
from checkout.payments.models import PaymentLink
from checkout.payments.models.link import MOST_OPENINGS
from checkout.payments.objects.link import link_object
from checkout.qr_codes import qr_code

DISABLE = Verb(
    name="disable",
    label="Disable",
    explanation=(
        "The link makes no more payments, and this cannot be undone. Its existing payments can still be "
        "paid. If they should not be paid, cancel them on their own pages."
    ),
    done="Disabled: the link makes no more payments.",
    otherwise="the link is disabled already, has expired, or is used up. Nothing was changed.",
    is_offered=lambda link: link.state == "active",
    carry_out=lambda link, by, _: links.disable_link(link.merchant, link.reference),
)


class StateFilter(admin.SimpleListFilter):
    """A filter by state, which depends on times and, for a reusable link, on its number of payments."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin) -> list[tuple[str, str]]:
        return [(state, humanised(state)) for state in ("active", "disabled", "expired", "used_up")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[PaymentLink]) -> QuerySet[PaymentLink]:
        is_disabled = Q(disabled_at__isnull=False)
        is_over = Q(expires_at__lte=timezone.now())
        is_used_up = Q(is_reusable=True, openings__gte=MOST_OPENINGS)
        match self.value():
            case "active":
                return queryset.exclude(is_disabled).exclude(is_over).exclude(is_used_up)
            case "disabled":
                return queryset.filter(is_disabled)
            case "expired":
                return queryset.exclude(is_disabled).filter(is_over)
            case "used_up":
                return queryset.exclude(is_disabled).exclude(is_over).filter(is_used_up)
        return queryset


@admin.register(PaymentLink)
class PaymentLinkAdmin(ReadOnlyAdminWithActions):
    """The links of all merchants, newest first."""

    verbs = (DISABLE,)
    list_display = (
        *("order_reference", "price", "status", "merchant", "is_reusable", "openings"),
        *("expires_at", "created_at"),
    )
    list_select_related = ("merchant",)
    list_filter = (StateFilter, "is_reusable", "merchant")
    # `get_search_results` does the search. Django shows the search box only if `search_fields` is not empty.
    search_fields = ("reference", "order_reference")
    search_help_text = "Link or order number"
    fields = (
        *(
            "status",
            "hindered_by",
            "price",
            "merchant",
            "order_reference",
            "description",
            "shown_to_shoppers",
            "scanned",
            "chosen",
            "asks_email",
            "reference",
        ),
        *("is_reusable", "openings", "return_url", "own_values", "expires_at", "disabled_at", "created_at"),
    )
    readonly_fields = (
        "status",
        "hindered_by",
        "price",
        "shown_to_shoppers",
        "scanned",
        "chosen",
        "own_values",
    )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[PaymentLink], search_term: str
    ) -> tuple[QuerySet[PaymentLink], bool]:
        """Search by exact values. ``search.match_exactly`` removes duplicates."""
        return match_exactly(queryset, search_term, *self.search_fields), False

    def facts(self, row: PaymentLink) -> Iterator[FactLine]:
        yield "Amount", money_text(row.amount)
        yield "Order", f"{row.order_reference}: {row.description}"
        yield "Merchant", merchant_text(row.merchant)

    @admin.display(description="state")
    def status(self, link: PaymentLink) -> str:
        return badge(link.state)

    @admin.display(description="what hinders it")
    def hindered_by(self, link: PaymentLink) -> str:
        return links.hindrance(link) or NOTHING

    @admin.display(description="amount", ordering="amount_minor")
    def price(self, link: PaymentLink) -> str:
        return money_text(link.amount)

    @admin.display(description="address for shoppers")
    def shown_to_shoppers(self, link: PaymentLink) -> str:
        return link_object(link).url

    @admin.display(description="QR code")
    def scanned(self, link: PaymentLink) -> str:
        return qr_code(link_object(link).url) if link.state == "active" else NOTHING

    @admin.display(description="shoppers choose")
    def chosen(self, link: PaymentLink) -> str:
        if link.max_quantity > 1:
            return f"a quantity from 1 to {link.max_quantity}"
        if link.least_minor is None or link.most_minor is None:
            return NOTHING
        least, most = (money_text(Money(each, link.currency)) for each in (link.least_minor, link.most_minor))
        return f"an amount from {least} to {most}"

    @admin.display(description="metadata")
    def own_values(self, link: PaymentLink) -> str:
        return json_block(link.metadata) if link.metadata else NOTHING
