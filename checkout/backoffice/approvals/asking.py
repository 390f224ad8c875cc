"""Ask for an approval instead of acting. Used by all pages of the back office."""

import hashlib
import json
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from checkout.audit.log import Details
from checkout.backoffice.audited import note, subject_of
from checkout.backoffice.row_actions import Tool
from checkout.payments.actions.staff.approvals import Member, Proposal, propose
from checkout.payments.models import ApprovalRequest, Payment
from checkout.payments.models.approval import waiting_for_approval


def member(user: Any) -> Member:
    """Return the user as the author of a request for approval, or of the decision about one."""
    return Member(user.get_username(), user.pk)


def ask_for_approval(request: HttpRequest, proposal: Proposal) -> HttpResponse:
    """Record a request for approval, and redirect to its page. Call it in a transaction.

    Raises ``DuplicateRequest`` if the form's key belongs to another request.
    """
    row, is_new = record_proposal(request, proposal)
    if is_new:
        text = "Requested. Nothing happens before another member of staff approves it."
    else:
        text = "This had been requested before, once."
    messages.add_message(request, messages.SUCCESS if is_new else messages.INFO, text)
    return HttpResponseRedirect(address_of(row))


def record_proposal(request: HttpRequest, proposal: Proposal) -> tuple[ApprovalRequest, bool]:
    """Record a request for approval. Return it, and True if it is new. Call it in a transaction.

    Raises ``DuplicateRequest`` if the key belongs to another request.
    """
    row, is_new = propose(proposal, member(request.user))
    if is_new:
        what = f"Asked for approval: {row.what}"
        note(request, "ask_for_approval", what, subject_of(row), Details(row.reason))
    return row, is_new


def key_of(name: str, wanted: object) -> str:
    """Return a key for a form that has none. It stays the same while an equal request waits."""
    digest = hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()[:40]
    prefix = f"{name}-{digest}-"
    earlier = ApprovalRequest.objects.filter(key__startswith=prefix).exclude(waiting_for_approval())
    return f"{prefix}{earlier.count()}"


def address_of(row: ApprovalRequest) -> str:
    """Return the address of the page of a request for approval."""
    return reverse("admin:payments_approvalrequest_change", args=[row.pk])


def waiting_tools(request: HttpRequest, payment: Payment) -> list[Tool]:
    """Return links to the requests about ``payment`` that wait for approval, if the user may see them."""
    if not request.user.has_perm("payments.view_approvalrequest"):
        return []
    waiting = ApprovalRequest.objects.filter(waiting_for_approval(), payment=payment).order_by("pk")
    return [Tool(f"Waits for approval: {row.what}", address_of(row)) for row in waiting]
