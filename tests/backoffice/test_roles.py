"""The roles of staff: each may do what its job needs, and nothing else, at every address."""

import pytest
from django.contrib import admin
from django.contrib.auth import get_permission_codename
from django.contrib.auth.models import Group, Permission, User
from django.db import transaction
from django.test import Client
from django.urls import reverse

import checkout.backoffice.admin  # noqa: F401  it registers the pages
from checkout.backoffice.models import MerchantAccess
from checkout.backoffice.rights.roles import ROLES, make_roles
from checkout.ledger.models import DailyTotal, LedgerEntry
from checkout.payments.models import Dispute, Payment
from checkout.states import PaymentState
from tests.backoffice import rows
from tests.backoffice.recorded import entries
from tests.backoffice.test_audit_is_complete import ACTIONS, CHANGES

pytestmark = pytest.mark.django_db
# Only superusers give rights, and everybody may change their own password.
BY_SUPERUSERS = {name for name in CHANGES if name.startswith("auth_")}
BY_ANYBODY = {
    *("password_change", "preferences"),
    *("second_factor", "second_factor_set_up", "second_factor_codes"),
}
OTHER_NAMES = {
    "merchant_attack_mode_on": "protect_merchant",
    "merchant_attack_mode_off": "protect_merchant",
    "merchant_attack_mode_automatic": "protect_merchant",
    "apikey_add": "manage_apikey",
    "apikey_revoke": "manage_apikey",
    "apikey_rotate": "manage_apikey",
    "payment_capture": "request_capture",
    "payment_void": "request_void",
    "payment_refund": "request_refund",
    "payment_bulk_capture": "request_capture",
    "payment_bulk_refund": "request_refund",
    "payment_settle": "settle_operation",
    "operation_settle": "settle_operation",
    "saga_settle": "settle_operation",
    "approvalrequest_approve": "approve_money",
    "approvalrequest_decline": "approve_money",
    "approvalrequest_withdraw": "view_approvalrequest",
    "webhookendpoint_send_waiting": "enable_webhookendpoint",
}


@pytest.fixture(autouse=True)
def _roles(db):
    """Make the roles again, which tests that empty the tables remove."""
    make_roles()


def needed(name):
    """Return the permissions that an address needs: to view the row, and to act on it."""
    app, model, page = name.split("_", 2)
    if (model, page) == ("approvalrequest", "make_key"):
        return {"payments.view_approvalrequest", "api.manage_apikey"}
    if model == "dispute":
        return {"payments.view_payment", "payments.handle_dispute"}
    act = OTHER_NAMES.get(f"{model}_{page}", f"{page}_{model}")
    return {f"{app}.view_{model}", f"{app}.{act}"}


def viewing(model):
    """Return the permission to see a list. A dispute is a payment, and a total is made of entries."""
    options = {Dispute: Payment, DailyTotal: LedgerEntry}.get(model, model)._meta
    return f"{options.app_label}.{get_permission_codename('view', options)}"


def member(role):
    person = User.objects.create(username=role, is_staff=True)
    person.groups.set([Group.objects.get(name=role)])
    MerchantAccess.objects.create(user=person, is_unlimited=True)
    browser = Client()
    browser.force_login(person)
    return browser


def is_recorded(client, send):
    """Return True if ``send`` changes anything for this client, and undo the change."""
    before = entries().count()
    with transaction.atomic():
        send(client)
        is_more = entries().count() > before
        transaction.set_rollback(True)
    return is_more


@pytest.mark.parametrize("role", ROLES)
def test_a_role_may_do_what_its_permissions_say_and_nothing_else(role):
    client = member(role)
    expected = {
        name
        for name in CHANGES.keys() - BY_SUPERUSERS - BY_ANYBODY
        if needed(name) <= ROLES[role].permissions
    }
    may = {name for name, send in CHANGES.items() if name not in BY_ANYBODY and is_recorded(client, send)}
    assert may == expected


@pytest.mark.parametrize("role", ROLES)
def test_an_action_of_a_list_needs_the_same_permission_as_that_of_a_row(role):
    client = member(role)
    may = {name for name, send in ACTIONS.items() if is_recorded(client, send)}
    given = {each.partition(".")[2] for each in ROLES[role].permissions}
    expected = {
        (model, action) for model, action in ACTIONS if f"{action.removesuffix('_selected')}_{model}" in given
    }
    assert may == expected


@pytest.mark.parametrize("role", ROLES)
def test_a_role_sees_the_lists_of_its_permissions_and_no_others(role):
    client = member(role)
    seen = {
        model._meta.label
        for model in admin.site._registry
        if client.get(
            reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        ).status_code
        == 200
    }
    assert seen == {
        model._meta.label for model in admin.site._registry if viewing(model) in ROLES[role].permissions
    }


def test_every_permission_of_a_role_exists():
    assert {group.name for group in Group.objects.all()} >= ROLES.keys()
    for name, role in ROLES.items():
        assert Group.objects.get(name=name).permissions.count() == len(role.permissions), name


def test_every_action_belongs_to_a_role():
    given = frozenset().union(*(role.permissions for role in ROLES.values()))
    assert {
        name for name in CHANGES.keys() - BY_SUPERUSERS - BY_ANYBODY if not needed(name) <= given
    } == set()


def test_migrating_again_gives_a_role_its_permissions_back_and_leaves_other_groups():
    viewer, own = Group.objects.get(name="viewer"), Group.objects.create(name="our clerks")
    refund = Permission.objects.get(codename="request_refund")
    viewer.permissions.set([refund])
    own.permissions.set([refund])
    make_roles()
    assert refund not in viewer.permissions.all()
    assert viewer.permissions.count() == len(ROLES["viewer"].permissions)
    assert own.permissions.get() == refund


def test_a_viewer_is_offered_no_action():
    client = member("viewer")
    for payment in (rows.captured("A-1"), rows.authorised("A-2"), rows.payment("A-3", PaymentState.OPEN)):
        page = client.get(reverse("admin:payments_payment_change", args=[payment.pk]))
        assert page.status_code == 200
        assert page.context["tools"] == []
