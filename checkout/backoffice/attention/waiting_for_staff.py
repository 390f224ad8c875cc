"""The page that counts all records that wait for a person."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.contrib.auth import get_permission_codename
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Max, Model, Q
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from checkout.backoffice.attention import page as attention
from checkout.backoffice.rights.merchants import visible
from checkout.payments.actions.disputes import due_within_a_week
from checkout.payments.actions.staff.handling import NEEDS_ATTENTION
from checkout.payments.models import (
    ApprovalRequest,
    DeadLetter,
    Difference,
    Dispute,
    Merchant,
    Operation,
    Payment,
    ProviderNotification,
    Saga,
)
from checkout.payments.models.approval import approved_and_not_done, waiting_for_approval
from checkout.payments.models.messages import OPEN_LETTER
from checkout.payments.models.reconciliation import OPEN_DIFFERENCE
from checkout.payments.sagas.settlement.operation import TO_BE_SETTLED
from checkout.webhooks.models import Delivery, WebhookEndpoint
from checkout.webhooks.sending.claims import not_signed


@dataclass(frozen=True, slots=True)
class Concern:
    """Rows of a table that wait for a person.

    ``query`` is the filter of the table's list that selects them. ``since`` is the column with the time from
    which they wait. ``called`` is a name for the rows that staff understand, if that of the table is
    technical.
    """

    label: str
    model: type[Model]
    condition: Q
    query: str
    since: str
    called: str = ""


def concerns() -> Iterator[Concern]:
    """Yield all concerns: payments by reason, then records that may belong to no known payment."""
    for name, condition in attention.conditions().items():
        yield Concern(attention.LABELS[name], Payment, condition, f"attention={name}", "updated_at")
    yield Concern("To be settled", Operation, TO_BE_SETTLED, "settle=waiting", "updated_at")
    yield Concern(
        "Stopped, and need a decision", Saga, attention.PARKED, "status__exact=parked", "updated_at", "flows"
    )
    yield Concern(
        "Can be tried again, or marked as dealt with",
        DeadLetter,
        OPEN_LETTER,
        "status=waiting",
        "died_at",
        "steps that failed",
    )
    yield Concern(
        "Wait for approval",
        ApprovalRequest,
        waiting_for_approval(),
        "status=waiting",
        "created_at",
        "requests",
    )
    yield Concern(
        "Approved, to be carried out by who has requested it",
        ApprovalRequest,
        approved_and_not_done(),
        "status=approved",
        "decided_at",
        "requests",
    )
    yield Concern(
        "To be answered within 7 days",
        Dispute,
        due_within_a_week(),
        "answer=week",
        "dispute_record__told_at",
    )
    for state in NEEDS_ATTENTION:
        condition = Q(state=state) & attention.NOT_DEALT_WITH
        query = f"state={state}&dealt_with_at__isempty=1"
        yield Concern(str(state.label), ProviderNotification, condition, query, "received_at")
    yield Concern("Open", Difference, OPEN_DIFFERENCE, "status=open", "found_at")
    yield Concern(
        "In attack mode: many cards were declined",
        Merchant,
        attention.begun_by_declines(),
        "attacked=by_declines",
        "attack_mode_changes__changed_at",
    )
    yield Concern(
        "Failing, or disabled by the gateway",
        WebhookEndpoint,
        attention.FAILING_ENDPOINT,
        "health=failing",
        "failing_since",
    )
    yield Concern(
        "Not sent: the gateway cannot read the endpoint's secret",
        Delivery,
        not_signed(),
        "waits=secret",
        "created_at",
    )


def attention_page(request: HttpRequest) -> HttpResponse:
    """Show the concerns that the user may view. Raises ``PermissionDenied`` if there are none."""
    rows = counted_for(request.user)
    if not rows:
        raise PermissionDenied
    context = {
        **admin.site.each_context(request),
        "title": "What needs attention",
        "rows": rows,
        "total": sum(row["count"] for row in rows),
    }
    return TemplateResponse(request, "admin/payments/attention.html", context)


def counted_for(user: Any) -> list[dict[str, Any]]:
    """Return the concerns that ``user`` may view, each with its count."""
    return [_counted(concern, user) for concern in concerns() if _may_view(user, concern.model)]


def may_view_concerns(user: Any) -> bool:
    """Return True if ``user`` may view any table whose rows may wait for a person."""
    return any(_may_view(user, concern.model) for concern in concerns())


def _may_view(user: Any, model: type[Model]) -> bool:
    # Disputes are a proxy model of payments, and have no permissions of their own.
    options = (model._meta.concrete_model or model)._meta
    return bool(user.has_perm(f"{options.app_label}.{get_permission_codename('view', options)}"))


def _counted(concern: Concern, user: Any) -> dict[str, Any]:
    rows = visible(concern.model._default_manager.all(), user)
    counted = rows.filter(concern.condition).aggregate(
        count=Count("pk", distinct=True), latest=Max(concern.since)
    )
    opts = concern.model._meta
    listed = reverse(f"admin:{opts.app_label}_{opts.model_name}_changelist")
    return {
        "table": concern.called or opts.verbose_name_plural,
        "label": concern.label,
        "address": f"{listed}?{concern.query}",
        **counted,
    }
