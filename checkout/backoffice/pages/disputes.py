"""Disputes: the payments of which issuers took money back, or are said to have, or ask for information."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any

from django.contrib import admin
from django.db.models import Case, CharField, Exists, OuterRef, Prefetch, Q, QuerySet, Value, When
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from checkout.backoffice.base import ModelAdmin, ReadOnlyAdmin
from checkout.backoffice.display.values import badge, payment_page_link, short_time
from checkout.backoffice.display.wording import CLAIMS, DISPUTE_EVENTS
from checkout.backoffice.exports import WithExport
from checkout.localised_money import localised_money
from checkout.money import Money
from checkout.payments.books.events import BY_ISSUERS, ISSUERS
from checkout.payments.models import Dispute, Fact, Operation, Saga
from checkout.payments.models.payment import NOTIFIED, OTHER_EVENT
from checkout.payments.models.saga import UNFINISHED
from checkout.payments.sagas.settlement.verification import Verification
from checkout.states import PaymentState

# The states of a dispute, the most urgent first. A payment is in the first one that fits.
STATES = {
    "decision": "needs a decision",
    "asked": "claimed: the provider is being asked",
    "charged_back": "charged back",
    "reversed": "reversed",
    "information": "information requested",
}
_CLAIMS = Saga.objects.filter(kind=Verification.kind, status__in=UNFINISHED, data__claim__in=BY_ISSUERS)
_MOVED = Operation.objects.filter(kind__in=ISSUERS)
_TOLD = Fact.objects.filter(OTHER_EVENT, data__event__in=list(DISPUTE_EVENTS))
# Notifications about disputes.
_SIGNS = Q(kind__in=[f"{NOTIFIED}{claim}" for claim in BY_ISSUERS]) | OTHER_EVENT & Q(
    data__event__in=list(DISPUTE_EVENTS)
)


def disputes(payments: QuerySet[Dispute]) -> QuerySet[Any]:
    """Return those of the payments with a dispute, each with its ``standing``, the name of a state.

    Each kind of evidence is found by an index of its own. With one condition joined by "or", a database would
    read all payments.
    """
    kinds: tuple[QuerySet[Any], ...] = (_MOVED, _CLAIMS, _TOLD)
    first, *others = (rows.order_by().values("payment") for rows in kinds)
    this = Q(payment=OuterRef("pk"))
    standing = Case(
        When(Exists(_CLAIMS.filter(this, status=Saga.Status.PARKED)), then=Value("decision")),
        When(Exists(_CLAIMS.filter(this)), then=Value("asked")),
        When(state=PaymentState.CHARGED_BACK, then=Value("charged_back")),
        When(Exists(_MOVED.filter(this)), then=Value("reversed")),
        default=Value("information"),
        output_field=CharField(),
    )
    return payments.filter(pk__in=first.union(*others)).annotate(standing=standing)


class StandingFilter(admin.SimpleListFilter):
    """A filter by the state of the dispute."""

    title = "state"
    parameter_name = "standing"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin) -> list[tuple[str, str]]:
        return [*STATES.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(standing=self.value()) if self.value() in STATES else queryset


@admin.register(Dispute)
class DisputeAdmin(WithExport, ReadOnlyAdmin):
    """The list of disputes. The page of each is that of its payment."""

    list_display = ("since", "order", "disputed", "state_in_words", "known", "merchant")
    list_display_links = None
    list_select_related = ("merchant",)
    list_filter = (StandingFilter, "merchant", "currency", ("created_at", admin.DateFieldListFilter))
    search_fields = ("order_reference__iexact", "reference__exact", "attempts__order_code__exact")
    search_help_text = "Order number, payment reference or provider order code"
    export_columns = MappingProxyType(
        {
            "since": lambda payment: _since(payment),
            "order": lambda payment: payment.order_reference,
            "payment": lambda payment: payment.reference,
            "merchant": lambda payment: payment.merchant.code,
            "state": lambda payment: payment.standing,
            "amount": lambda payment: _disputed(payment).decimal,
            "minor": lambda payment: _disputed(payment).minor,
            "currency": lambda payment: payment.currency,
            "known": lambda payment: ". ".join(_known(payment)),
        }
    )

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return True for users who may view payments."""
        return request.user.has_perm("payments.view_payment")

    def has_module_permission(self, request: HttpRequest) -> bool:
        """See ``has_view_permission``."""
        return self.has_view_permission(request)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Dispute]:
        """Read all that is known of the disputes of a page at once."""
        return disputes(super().get_queryset(request)).prefetch_related(
            Prefetch("operations", _MOVED.order_by("pk"), to_attr="moved"),
            Prefetch("sagas", _CLAIMS.order_by("pk"), to_attr="claims"),
            Prefetch("facts", Fact.objects.filter(_SIGNS).order_by("pk"), to_attr="signs"),
        )

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Lead to the payment."""
        return HttpResponseRedirect(reverse("admin:payments_payment_change", args=[object_id]))

    @admin.display(description="since")
    def since(self, payment: Dispute) -> str:
        return short_time(_since(payment))

    @admin.display(description="order", ordering="order_reference")
    def order(self, payment: Dispute) -> str:
        return payment_page_link(payment)

    @admin.display(description="amount")
    def disputed(self, payment: Dispute) -> str:
        """The sum that issuers took back or are said to have taken; of a mere question, the payment's."""
        return localised_money(_disputed(payment))

    @admin.display(description="state", ordering="standing")
    def state_in_words(self, payment: Dispute) -> str:
        return badge(payment.standing, STATES[payment.standing])  # type: ignore[attr-defined]

    @admin.display(description="what is known")
    def known(self, payment: Dispute) -> str:
        return ". ".join(_known(payment)) + "."


def _since(payment: Any) -> datetime:
    return min(_times(payment), default=payment.updated_at)


def _disputed(payment: Any) -> Money:
    minor = _sum(payment, Operation.Kind.CHARGE_BACK) + payment.at_risk_minor
    return Money(minor or payment.amount_minor, payment.currency)


def _times(payment: Any) -> Iterator[datetime]:
    yield from (fact.recorded_at for fact in payment.signs)
    yield from (row.created_at for row in (*payment.moved, *payment.claims))


def _sum(payment: Any, kind: str) -> int:
    return sum(each.amount_minor for each in payment.moved if each.kind == kind)


def _known(payment: Any) -> Iterator[str]:
    """Yield what is booked, what is claimed, and the provider's last word that moves no money."""
    taken = _sum(payment, Operation.Kind.CHARGE_BACK)
    returned = _sum(payment, Operation.Kind.CHARGE_BACK_REVERSAL)
    if taken:
        yield f"The shopper's bank took {localised_money(Money(taken, payment.currency))}"
    if returned:
        yield f"It returned {localised_money(Money(returned, payment.currency))}"
    claims: Sequence[Saga] = payment.claims
    for saga in claims:
        is_parked = saga.status == Saga.Status.PARKED
        end = "say on the payment's page if it is so" if is_parked else "the provider is being asked"
        yield f"{CLAIMS[saga.data['claim']]}, says a notification: {end}"
    told = [fact.data.get("event", "") for fact in payment.signs]
    if words := [DISPUTE_EVENTS[event] for event in told if event in DISPUTE_EVENTS]:
        yield words[-1]
