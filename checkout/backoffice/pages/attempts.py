"""The pages of the rows that belong to a payment: attempts, operations, provider calls and facts."""

from collections.abc import Iterator
from types import MappingProxyType

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from checkout.backoffice.base import ModelAdmin, ReadOnlyAdmin
from checkout.backoffice.display.columns import OfPayment, WithState
from checkout.backoffice.display.facts import FactLine, merchant_text
from checkout.backoffice.display.localised import money_text
from checkout.backoffice.display.values import (
    NOTHING,
    breakable,
    duration_text,
    humanised,
    json_block,
    payment_page_link,
    quantity_text,
    text_block,
)
from checkout.backoffice.exports import WithExport
from checkout.backoffice.filters import HappenedFilter
from checkout.backoffice.row_actions import ReadOnlyAdminWithActions, Verb
from checkout.backoffice.search import match_exactly
from checkout.backoffice.settling.operations import OperationSettlingAdmin
from checkout.payments.actions.saved_cards import remove_card
from checkout.payments.models import Attempt, Fact, Operation, ProviderCall, SavedCard
from checkout.payments.providers.authentication import Authentication
from checkout.payments.sagas.settlement.operation import TO_BE_SETTLED
from checkout.states import AttemptState


@admin.register(Attempt)
class AttemptAdmin(OfPayment, WithState, ReadOnlyAdmin):
    """One attempt with one provider and one card. The state of the session with the provider is not shown."""

    list_display = ("order_code", "state_label", "payment_link", "provider_account", "created_at")
    list_select_related = ("payment", "provider_account")
    list_filter = ("state", "provider_account", ("created_at", admin.DateFieldListFilter))
    search_fields = ("order_code__exact", "payment__reference__exact", "payment__order_reference__exact")
    search_help_text = "Provider order code, payment reference or order number"
    date_hierarchy = "created_at"
    fields = (
        "order_code",
        "state_label",
        "payment_link",
        "number",
        "provider_account",
        "demands_challenge",
        "saves_card",
        "saved_card",
        "merchant_initiated",
        "card_summary",
        "refusal_reason",
        "refusal_code",
        "three_d_secure_result",
        "browser_facts",
        "challenge_count",
        "challenge_expires_at",
        "created_at",
        "updated_at",
    )
    readonly_fields = (
        "state_label",
        "payment_link",
        "card_summary",
        "three_d_secure_result",
        "browser_facts",
    )

    @admin.display(description="card")
    def card_summary(self, attempt: Attempt) -> str:
        return card_text(attempt)

    @admin.display(description="3-D Secure")
    def three_d_secure_result(self, attempt: Attempt) -> str:
        return json_block(attempt.three_d_secure)

    @admin.display(description="browser")
    def browser_facts(self, attempt: Attempt) -> str:
        return json_block(attempt.browser)


def card_text(attempt: Attempt) -> str:
    """Return the data known of an attempt's card: brand, last four digits, expiry."""
    card = attempt.card
    last4 = f"•••• {card['last4']}" if card.get("last4") else ""
    return " ".join(filter(None, [card.get("brand"), last4, card.get("expiry")])) or NOTHING


def card_name(attempt: Attempt | None) -> str:
    """Return the brand and the last four digits of an attempt's card, as in "Visa 1111"."""
    card = attempt.card if attempt else {}
    brand = humanised(card.get("brand") or "").capitalize()
    return " ".join(filter(None, [brand, card.get("last4")])) or NOTHING


def authentication_text(attempt: Attempt) -> str:
    """Return the result of 3-D Secure. A mark shows that it failed although the money was authorised."""
    status = attempt.three_d_secure.get("status")
    is_contrary = status == Authentication.FAILED and attempt.state == AttemptState.AUTHORISED
    return "failed, and authorised nevertheless" if is_contrary else humanised(status or "") or NOTHING


REMOVE = Verb(
    name="remove",
    label="Remove",
    explanation=(
        "The card can never be charged again, and this cannot be undone. A charge that was already sent to "
        "the provider continues. Then the provider is asked to delete the card's token."
    ),
    done="Removed: the card can no longer be charged.",
    otherwise="the card was removed before. Nothing was changed.",
    is_offered=lambda card: card.state == SavedCard.State.ACTIVE,
    carry_out=lambda card, by, _: remove_card(card.merchant, card.reference, by=by),
)


@admin.register(SavedCard)
class SavedCardAdmin(ReadOnlyAdminWithActions):
    """Cards that the provider keeps for a merchant's customers. Their tokens are not shown."""

    verbs = (REMOVE,)
    list_display = ("reference", "merchant", "customer_reference", "brand", "last4", "expiry", "state")
    list_select_related = ("merchant",)
    list_filter = ("state", "merchant")
    # `get_search_results` does the search. Django shows the search box only if `search_fields` is not empty.
    search_fields = ("reference", "customer_reference", "payment__reference")
    search_help_text = "Reference of the card, of the customer or of the payment"
    fields = (
        "reference",
        "merchant",
        "customer_reference",
        "provider_account",
        "shopper",
        "brand",
        "last4",
        "expiry",
        "valid_until",
        "scheme_transaction",
        "payment_link",
        "state",
        "created_at",
        "removed_at",
        "removed_by",
        "at_the_provider",
        "deleted_at",
    )
    readonly_fields = ("payment_link", "at_the_provider")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[SavedCard], search_term: str
    ) -> tuple[QuerySet[SavedCard], bool]:
        """Search by exact values. ``search.match_exactly`` removes duplicates."""
        return match_exactly(queryset, search_term, *self.search_fields), False

    def facts(self, row: SavedCard) -> Iterator[FactLine]:
        yield "Merchant", merchant_text(row.merchant)
        yield "Customer", row.customer_reference
        yield "Card", f"{row.brand} •••• {row.last4}".lstrip()
        yield "Expiry", row.expiry

    @admin.display(description="saved with")
    def payment_link(self, card: SavedCard) -> str:
        return payment_page_link(card.payment)

    @admin.display(description="token at the provider")
    def at_the_provider(self, card: SavedCard) -> str:
        """Return the state of the token's deletion. The token itself is not shown."""
        if card.deleted_at is not None:
            return "deleted"
        if not card.token_to_delete:
            return NOTHING
        if card.deletion_due_at is None:
            return f"not deleted: see the failed steps of {card.reference}"
        return f"to be deleted; asked {quantity_text(card.deletion_tries, 'time')}"


class SettlingFilter(admin.SimpleListFilter):
    """A filter for operations whose result only staff can determine."""

    title = "waits for staff"
    parameter_name = "settle"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin) -> list[tuple[str, str]]:
        return [("waiting", "To be settled")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Operation]) -> QuerySet[Operation]:
        return queryset.filter(TO_BE_SETTLED) if self.value() == "waiting" else queryset


@admin.register(Operation)
class OperationAdmin(WithExport, OfPayment, WithState, OperationSettlingAdmin):
    """Captures, voids, refunds and charge-backs."""

    list_display = (
        "reference", "kind", "amount", "state_label", "payment_link", "requested_by", "created_at",
    )  # fmt: skip
    list_select_related = ("payment__merchant", "attempt")
    list_filter = (SettlingFilter, "kind", "state", ("created_at", admin.DateFieldListFilter))
    search_fields = ("reference__exact", "payment__reference__exact", "payment__order_reference__exact")
    search_help_text = "Operation reference, payment reference or order number"
    date_hierarchy = "created_at"
    fields = (
        "reference",
        "kind",
        "amount",
        "state_label",
        "refused_because",
        "payment_link",
        "attempt",
        "requested_by",
        "reason",
        "idempotency_key",
        "created_at",
        "updated_at",
    )
    readonly_fields = ("amount", "state_label", "refused_because", "payment_link")
    export_columns = MappingProxyType(
        {
            "requested": lambda operation: operation.created_at,
            "operation": lambda operation: operation.reference,
            "kind": lambda operation: operation.kind,
            "state": lambda operation: operation.state,
            "amount": lambda operation: operation.amount.decimal,
            "minor": lambda operation: operation.amount_minor,
            "currency": lambda operation: operation.currency,
            "order": lambda operation: operation.payment.order_reference,
            "payment": lambda operation: operation.payment.reference,
            "merchant": lambda operation: operation.payment.merchant.code,
            "order_code": lambda operation: operation.attempt.order_code,
            "by": lambda operation: operation.requested_by,
            "reason": lambda operation: operation.reason,
            "refused_because": lambda operation: operation.refusal_reason,
            "changed": lambda operation: operation.updated_at,
        }
    )

    @admin.display(ordering="amount_minor")
    def amount(self, operation: Operation) -> str:
        return money_text(operation.amount)

    @admin.display(description="refused because")
    def refused_because(self, operation: Operation) -> str:
        return humanised(operation.refusal_reason) or NOTHING


@admin.register(ProviderCall)
class ProviderCallAdmin(ReadOnlyAdmin):
    """Requests to providers.

    If a request has no end, its outcome is unknown until the provider is queried.
    """

    list_display = ("key", "verb", "outcome", "providers_word", "started_at", "took")
    list_filter = (("finished_at", HappenedFilter), ("started_at", admin.DateFieldListFilter))
    search_fields = ("key__exact", "attempt__order_code__exact", "attempt__payment__reference__exact")
    search_help_text = "Idempotency key, provider order code or payment reference"
    date_hierarchy = "started_at"
    fields = ("key", "attempt", "verb", "outcome", "event", "started_at", "finished_at", "took")
    readonly_fields = ("took",)

    @admin.display(description="event", ordering="event")
    def providers_word(self, call: ProviderCall) -> str:
        return breakable(call.event) or NOTHING

    @admin.display(description="took")
    def took(self, call: ProviderCall) -> str:
        return duration_text(call.finished_at - call.started_at) if call.finished_at else "no outcome yet"


@admin.register(Fact)
class FactAdmin(OfPayment, ReadOnlyAdmin):
    """Facts: everything that was received or decided, with the scrubbed text."""

    list_display = ("kind", "source", "payment_link", "recorded_at")
    list_select_related = ("payment",)
    list_filter = ("source", ("recorded_at", admin.DateFieldListFilter))
    search_fields = (
        "payment__reference__exact",
        "payment__order_reference__exact",
        "attempt__order_code__exact",
    )
    search_help_text = "Payment reference, order number or provider order code"
    date_hierarchy = "recorded_at"
    fields = ("kind", "source", "payment_link", "attempt", "recorded_at", "details", "scrubbed_text")
    readonly_fields = ("payment_link", "details", "scrubbed_text")

    @admin.display(description="data")
    def details(self, fact: Fact) -> str:
        return json_block(fact.data)

    @admin.display(description="text")
    def scrubbed_text(self, fact: Fact) -> str:
        return text_block(fact.text)
