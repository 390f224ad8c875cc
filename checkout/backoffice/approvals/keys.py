"""API keys of merchants with a rule of approval: once approved, the requester makes the key."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.utils import timezone

from checkout.api.access.keys import make_key, rotate_key
from checkout.api.access.scopes import Scope
from checkout.api.models import ApiKey
from checkout.payments.actions.staff.approvals import Proposal
from checkout.payments.models import ApprovalRequest, Merchant
from checkout.payments.models.approval import Matter

MAKE, ROTATE = "make_key", "rotate_key"


def proposed_key(form: Any) -> Proposal:
    """Return the request for approval of the key that the complete ``form`` describes."""
    told = form.cleaned_data
    days = told["days"]
    after = {
        "name": told["name"],
        "scopes": sorted(told["scopes"]),
        "networks": told["networks"] or ["any"],
        "lifetime": f"{days} days" if days else "does not expire",
    }
    return Proposal(
        merchant=told["merchant"],
        matter=Matter.KEYS,
        action=MAKE,
        what=f"Make the API key “{told['name']}”",
        key=f"key-{told['form_key']}",
        content={"after": after, "networks": told["networks"], "days": days},
    )


def proposed_rotation(key: ApiKey, merchant: Merchant, form: Any) -> Proposal:
    """Return the request for approval to replace ``key`` as the complete ``form`` says."""
    told = form.cleaned_data
    hours, is_sure = told["hours"], bool(told.get("is_sure", False))
    return Proposal(
        merchant=merchant,
        matter=Matter.KEYS,
        action=ROTATE,
        what=f"Replace the API key “{key.name}” ({key.prefix})",
        key=f"key-{told['form_key']}",
        content={
            "after": {"scopes": sorted(key.scopes), "hours_for_which_the_old_key_stays_valid": hours},
            **{"rotates": key.pk, "hours": hours, "is_sure": is_sure},
        },
    )


def maker(made: list[tuple[ApiKey, str]]) -> Callable[[ApprovalRequest], str]:
    """Return a function that makes the key of an approved request, and appends key and secret to ``made``."""

    def make(request: ApprovalRequest) -> str:
        key, secret = _replaced(request) if request.action == ROTATE else _new(request)
        made.append((key, secret))
        return f"Made {key}"

    return make


def _new(request: ApprovalRequest) -> tuple[ApiKey, str]:
    content = request.content
    days = content["days"]
    return make_key(
        request.merchant,
        name=content["after"]["name"],
        scopes=[Scope(each) for each in content["after"]["scopes"]],
        by=request.requested_by,
        expires_at=timezone.now() + timedelta(days=days) if days else None,
        networks=content["networks"],
    )


def _replaced(request: ApprovalRequest) -> tuple[ApiKey, str]:
    content = request.content
    return rotate_key(
        content["rotates"],
        overlap=timedelta(hours=content["hours"]),
        by=request.requested_by,
        is_sure=content["is_sure"],
    )
