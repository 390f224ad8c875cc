"""The roles of staff: groups of permissions for the jobs that people have.

Each ``manage.py migrate`` sets their permissions to those of this table, so that they include those of a new
release. For other permissions, make a group with another name.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import Group, Permission
from django.db import DEFAULT_DB_ALIAS, transaction
from django.db.models import Q
from django.db.models.signals import post_migrate


@dataclass(frozen=True, slots=True)
class Role:
    """A role: its description, and its permissions as ``application.codename``."""

    words: str
    permissions: frozenset[str]


def _of(application: str, codenames: str) -> frozenset[str]:
    return frozenset(f"{application}.{each}" for each in codenames.split())


_VIEWER = _of(
    "payments",
    "view_payment view_attempt view_operation view_savedcard view_paymentlink view_merchant view_appearance",
) | _of("receipts", "view_receipt")
_SUPPORT = (
    _VIEWER
    | _of(
        "payments",
        "request_refund cancel_payment disable_paymentlink remove_savedcard view_event view_approvalrequest "
        "handle_dispute note_payment",
    )
    | _of("receipts", "resend_receipt")
)
_FINANCE = (
    _VIEWER
    | _of("ledger", "view_ledgerentry")
    | _of(
        "payments",
        "request_capture request_void request_refund settle_operation review_payment accept_payment "
        "view_difference deal_with_difference view_reconciliation view_provideraccount "
        "view_providernotification view_saga resume_saga view_approvalrequest "
        "handle_dispute export_payment note_payment",
    )
)
_SUPERVISOR = (
    _SUPPORT
    | _FINANCE
    | _of("payments", "protect_merchant deal_with_providernotification approve_money")
    | _of("risk", "view_riskassessment view_blockedvalue add_blockedvalue change_blockedvalue")
    | _of("risk", "delete_blockedvalue")
    | _of("orders", "view_stockitem change_stockitem view_reservation")
)
_DEVELOPER = (
    _VIEWER
    | _of("api", "view_apikey manage_apikey view_idempotencyrecord")
    | _of("payments", "view_event view_fact view_approvalrequest")
    | _of(
        "webhooks",
        "view_webhookendpoint add_webhookendpoint change_webhookendpoint ping_webhookendpoint "
        "enable_webhookendpoint disable_webhookendpoint rotate_webhookendpoint resend_webhookendpoint "
        "view_delivery resend_delivery",
    )
)
_OPERATOR = (
    _VIEWER
    | _of(
        "payments",
        "view_saga resume_saga view_deadletter requeue_deadletter deal_with_deadletter view_providercall "
        "view_providernotification deal_with_providernotification view_fact view_outboxmessage "
        "view_inboxmessage view_event view_difference view_reconciliation view_provideraccount "
        "erase_payment",
    )
    | _of("orders", "view_reservation view_stockitem")
    | _of("risk", "view_riskassessment")
    | _of("api", "view_idempotencyrecord")
    | _of("webhooks", "view_webhookendpoint view_delivery resend_delivery enable_webhookendpoint")
)
_AUDITOR = (
    frozenset(
        each for each in _SUPERVISOR | _DEVELOPER | _OPERATOR if each.partition(".")[2].startswith("view_")
    )
    | _of("audit", "view_auditentry")
    | _of("payments", "export_payment")
    | _of("auth", "view_user view_group")
)
_ADMINISTRATOR = (
    _AUDITOR
    | _DEVELOPER
    | _of("payments", "approve_configuration view_approvalrule add_approvalrule change_approvalrule")
    | _of("payments", "delete_approvalrule")
    | _of("payments", "add_merchant change_merchant delete_merchant protect_merchant")
    | _of("payments", "add_appearance change_appearance delete_appearance")
    | _of("payments", "add_provideraccount change_provideraccount delete_provideraccount")
    | _of("orders", "add_stockitem change_stockitem delete_stockitem")
    | _of("risk", "add_blockedvalue change_blockedvalue delete_blockedvalue")
)

ROLES: Mapping[str, Role] = {
    "viewer": Role("Looks at payments, and changes nothing.", _VIEWER),
    "support": Role(
        "Answers shoppers and disputes: refunds, cancels, disables links, removes saved cards, sends "
        "receipts again.",
        _SUPPORT,
    ),
    "finance": Role(
        "Captures, voids, refunds, settles and exports; sees the ledger and the differences.", _FINANCE
    ),
    "supervisor": Role(
        "Does the work of support and finance, approves what others have requested of it, and decides about "
        "attacks.",
        _SUPERVISOR,
    ),
    "developer": Role("Makes API keys and webhook endpoints, and sees their work.", _DEVELOPER),
    "operator": Role("Keeps the gateway at work: flows, dead letters, messages, erasure.", _OPERATOR),
    "auditor": Role("Sees and exports everything with the audit log, and changes nothing.", _AUDITOR),
    "administrator": Role(
        "Configures merchants, accounts, stock and keys, says what needs an approval, and approves accounts "
        "and keys of others; moves no money.",
        _ADMINISTRATOR,
    ),
}


@transaction.atomic
def make_roles() -> None:
    """Create the groups that are missing, and set the permissions of all roles."""
    for name, role in ROLES.items():
        group, _ = Group.objects.get_or_create(name=name)
        group.permissions.set(_permissions(role.permissions))


def make_roles_after_migrating() -> None:
    """Set up the signal handler that makes the roles, once the permissions of all apps exist."""
    post_migrate.connect(_after_migrating, dispatch_uid="checkout.roles")


def _after_migrating(app_config: Any, using: str, **_signal: object) -> None:
    if app_config.name == "checkout.backoffice" and using == DEFAULT_DB_ALIAS:
        make_roles()


def _permissions(names: Iterable[str]) -> list[Permission]:
    wanted = Q()
    for name in names:
        application, _, codename = name.partition(".")
        wanted |= Q(content_type__app_label=application, codename=codename)
    return list(Permission.objects.filter(wanted))
