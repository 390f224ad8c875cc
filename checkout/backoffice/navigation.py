"""The sections of the back office, by the work that staff do, from which the menu is made."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.admin.views.main import SEARCH_VAR
from django.http import HttpRequest
from django.urls import reverse

from checkout.backoffice.attention.waiting_for_staff import may_view_concerns


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the menu: the tables that belong to one kind of work, each as ``application.Model``."""

    name: str
    models: Sequence[str]
    is_internal: bool = False


SECTIONS = (
    Section(
        "Payments",
        (
            "payments.Payment",
            "payments.Dispute",
            "payments.ApprovalRequest",
            "payments.Operation",
            "receipts.Receipt",
        ),
    ),
    Section("Links and saved cards", ("payments.PaymentLink", "payments.SavedCard")),
    Section(
        "Finance",
        ("ledger.DailyTotal", "ledger.LedgerEntry", "payments.Difference", "payments.Reconciliation"),
    ),
    Section("Developers", ("api.ApiKey", "webhooks.WebhookEndpoint", "webhooks.Delivery", "payments.Event")),
    Section(
        "Settings",
        (
            "payments.Merchant",
            "payments.Appearance",
            "payments.ProviderAccount",
            "payments.ApprovalRule",
            "orders.StockItem",
            "risk.BlockedValue",
            "auth.User",
            "auth.Group",
            "audit.AuditEntry",
        ),
    ),
    Section(
        "Internals",
        (
            "payments.Saga",
            "payments.DeadLetter",
            "payments.Attempt",
            "payments.ProviderCall",
            "payments.ProviderNotification",
            "payments.Fact",
            "payments.OutboxMessage",
            "payments.InboxMessage",
            "orders.Reservation",
            "risk.RiskAssessment",
            "api.IdempotencyRecord",
        ),
        is_internal=True,
    ),
)


def sections_of(applications: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the sections that have tables in ``applications``, which is Django's list of applications."""
    tables = {table["model"]._meta.label: table for each in applications for table in each["models"]}
    for section in SECTIONS:
        if found := [tables[label] for label in section.models if label in tables]:
            yield {"name": section.name, "is_internal": section.is_internal, "models": found}


def place_of(request: HttpRequest, sections: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the section and the table of the requested page. For other pages, return only the address."""
    attention = reverse("admin:payments_payment_attention")
    if request.path == attention:
        return {"here": attention}
    for section in sections:
        for table in section["models"]:
            if (address := table["admin_url"]) and request.path.startswith(address):
                return {"here": address, "section": section["name"], "table": table}
    return {"here": request.path}


def menu(request: HttpRequest, sections: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the context for the templates of the menu, of the path to a page, and of the search."""
    is_search = request.path == reverse("admin:payments_payment_changelist")
    return {
        **place_of(request, sections),
        "may_view_attention": may_view_concerns(request.user),
        "searched": request.GET.get(SEARCH_VAR, "") if is_search else "",
    }
