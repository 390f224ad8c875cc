"""The audit log has every change that staff make in the back office: all addresses and actions are tested."""

import re
from uuid import uuid4

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connections
from django.test.utils import CaptureQueriesContext
from django.urls import NoReverseMatch, URLPattern, get_resolver, reverse

import checkout.backoffice.admin  # noqa: F401  it registers the pages
from checkout.api.access.keys import make_key
from checkout.orders.models import StockItem
from checkout.payments.actions.staff.approvals import Member, Proposal, approve, propose
from checkout.payments.models import Appearance, ApprovalRule, Dispute, Saga
from checkout.payments.models.approval import Matter
from checkout.payments.sagas.settlement.matter import seen_of_payment, seen_of_saga
from checkout.risk.models import BlockedValue
from tests.backoffice import rows
from tests.backoffice.factors import code_shown, give_factor
from tests.backoffice.recorded import entries
from tests.backoffice.to_act_on import MAKE, endpoint
from tests.support.tables import our_models

pytestmark = pytest.mark.django_db

PASSWORD = "a long enough password 1"
OWN = "password"  # that of pytest-django's superuser
STAFF = {"username": "grace", "is_active": "on", "is_staff": "on", "first_name": "Grace"}
MOMENT = {"date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
MERCHANTS = {"merchant_access-TOTAL_FORMS": 0, "merchant_access-INITIAL_FORMS": 0}


def change(row):
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def add(table, **fields):
    return lambda client: client.post(reverse(f"admin:{table}_add"), fields)


def edit(make, **fields):
    return lambda client: client.post(change(make()), fields)


def delete(make):
    return lambda client: client.post(change(make()).replace("/change/", "/delete/"), {"post": "yes"})


def operate(make, kind):
    def send(client):
        payment = make()
        form = {"key": uuid4(), "seen": payment.amount_minor, "amount": "5.00", "reason": "Damaged"}
        return client.post(change(payment).replace("/change/", f"/{kind}/"), {**form, "confirmed": "yes"})

    return send


def verb(model, name):
    def send(client):
        row = MAKE[model, name]()
        return client.post(
            change(row).replace("/change/", f"/{name}/"), {"reason": "The bank called", "is_sure": "on"}
        )

    return send


def grace():
    return User.objects.create_user("grace", password=PASSWORD)


def account_form(**more):
    return {
        "provider": "worldpay_wpg",
        "merchant_code": "CODE",
        "endpoint": "http://127.0.0.1:8001/wpg",
        "options": "{}",
        **more,
    }


def add_account(client):
    form = account_form(code="another", merchant=rows.merchant().pk, endpoint=rows.account().endpoint)
    return client.post(reverse("admin:payments_provideraccount_add"), form)


def item():
    return StockItem.objects.create(
        merchant_code=rows.merchant().code, name="Tea", sku="tea", price_minor=1, currency="GBP", quantity=1
    )


def add_item(client):
    form = {"merchant_code": rows.merchant().code, "name": "Tea", "sku": "tea"}
    sums = {"price_minor": 450, "currency": "GBP", "quantity": 1}
    return client.post(reverse("admin:orders_stockitem_add"), form | sums)


def add_endpoint(client):
    form = {"merchant": rows.merchant().code, "url": "https://shop.example/hook", "payload": "full"}
    return client.post(reverse("admin:webhooks_webhookendpoint_add"), {**form, "form_key": uuid4()})


def blocked():
    return BlockedValue.objects.create(kind="email", value="ann@example.com")


def add_key(client):
    form = {"merchant": rows.merchant().pk, "name": "shop", "scopes": ["payments:read"], "form_key": uuid4()}
    return client.post(reverse("admin:api_apikey_add"), form)


def make_approved_key(client):
    merchant, user = rows.merchant(), User.objects.latest("pk")
    after = {"name": "shop", "scopes": ["payments:read"]}
    proposal = Proposal(
        merchant=merchant,
        matter=Matter.KEYS,
        action="make_key",
        what="Make a key",
        key="key-1",
        content={"after": after, "networks": [], "days": None},
    )
    row, _ = propose(proposal, Member(user.username, user.pk))
    approve(row.pk, Member("someone", 0))
    return client.post(change(row).replace("/change/", "/make_key/"))


def disputed():
    payment = rows.captured("DISPUTED")
    rows.operation(payment, "charge_back", 300, state="done")
    return Dispute.objects.get(pk=payment.pk)


def record_dispute(client):
    form = {"reason_code": "10.4", "deadline": "2026-12-24"}
    return client.post(change(disputed()).replace("/change/", "/record/"), form)


def add_evidence(client):
    file = SimpleUploadedFile("proof.pdf", b"%PDF-1.7 proof %%EOF")
    return client.post(change(disputed()).replace("/change/", "/evidence/"), {"file": file})


def rule():
    return ApprovalRule.objects.create(
        merchant=rows.merchant(), matter=Matter.MONEY, currency="GBP", above_minor=500
    )


def add_rule(client):
    form = {"merchant": rows.merchant().pk, "matter": "money", "currency": "GBP", "above_minor": "5"}
    return client.post(reverse("admin:payments_approvalrule_add"), form)


def rotate_key(client):
    key, _ = make_key(rows.merchant(), name="shop", by="ada")
    address = change(key).replace("/change/", "/rotate/")
    return client.post(address, {"hours": 1, "form_key": uuid4()})


def change_own_password(client):
    form = {"old_password": OWN, "new_password1": PASSWORD, "new_password2": PASSWORD}
    return client.post(reverse("admin:password_change"), form)


def set_password(client):
    form = {"password1": PASSWORD, "password2": PASSWORD, "usable_password": "true"}
    return client.post(reverse("admin:auth_user_password_change", args=[grace().pk]), form)


def capture_in_bulk(client):
    line = f"{rows.authorised().pk}:1250"
    address = reverse("admin:payments_payment_bulk_capture")
    return client.post(address, {"key": uuid4(), "reason": "Sent", "line": [line]})


def refund_in_bulk(client):
    rows.captured("ORDER-1")
    form = {"key": uuid4(), "reason": "Recall", "text": "order,amount\nORDER-1,5.00\n", "confirmed": "yes"}
    return client.post(reverse("admin:payments_payment_bulk_refund"), form)


def settle_payment(client):
    payment = rows.captured()
    fields = {"seen": seen_of_payment(payment), "said": "not_held", "captured": "12.50", "refunded": "3.00"}
    more = {"charged_back": "0.00", "reason": "Seen", "confirmed": "yes", "order_number": "ORDER-1"}
    return client.post(change(payment).replace("/change/", "/settle/"), fields | more)


def settle_operation(client):
    operation = rows.waiting(rows.captured(), "refund", 300)
    fields = {"seen": seen_of_saga(Saga.objects.get()), "said": "arrived", "reason": "Seen"}
    return client.post(change(operation).replace("/change/", "/settle/"), {**fields, "confirmed": "yes"})


def settle_claim(client):
    saga = rows.claimed(rows.captured())
    fields = {"seen": seen_of_saga(saga), "said": "true", "amount": "3.00", "reason": "Seen"}
    return client.post(change(saga).replace("/change/", "/settle/"), {**fields, "confirmed": "yes"})


def of_list(make, action):
    def send(client):
        row = make()
        address = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_changelist")
        chosen = {"action": action, "_selected_action": [row.pk], "post": "yes", "confirmed": "yes"}
        return client.post(address, chosen)

    return send


def confirm_password(client):
    return client.post(reverse("admin:second_factor"), {"password": OWN})


def set_up_factor(client):
    address = reverse("admin:second_factor_set_up")
    return client.post(address, {"code": code_shown(client.get(address))})


def new_codes(client):
    device = give_factor(User.objects.get(username="admin"))
    session = client.session
    session["otp_device_id"] = device.persistent_id
    session["checkout.factor"] = device.pk
    session.save()
    return client.post(reverse("admin:second_factor_codes"))


def choose_zone(client):
    return client.post(reverse("admin:preferences"), {"zone": "Europe/Berlin", "formats": "de"})


LABELS = {model._meta.model_name: model._meta.app_label for model in our_models()} | {"user": "auth"}
# Requests that change something, by the names of their addresses.
CHANGES = {
    **{f"{LABELS[model]}_{model}_{name}": verb(model, name) for model, name in MAKE},
    "payments_merchant_add": add("payments_merchant", name="Shop", code="shop", return_origins="[]"),
    "payments_merchant_change": edit(rows.merchant, name="New name", return_origins="[]"),
    "payments_merchant_delete": delete(rows.merchant),
    "payments_provideraccount_add": add_account,
    "payments_provideraccount_change": edit(rows.account, **account_form()),
    "payments_provideraccount_delete": delete(rows.account),
    "payments_dispute_record": record_dispute,
    "payments_dispute_evidence": add_evidence,
    "payments_approvalrule_add": add_rule,
    "payments_approvalrule_change": edit(rule, **{"above_minor": "7", "initial-above_minor": "5"}),
    "payments_approvalrule_delete": delete(rule),
    "payments_approvalrequest_make_key": make_approved_key,
    "orders_stockitem_add": add_item,
    "orders_stockitem_change": edit(
        item, **{"name": "Tea", "price_minor": 450, "currency": "GBP", "quantity": 1, "initial-quantity": 1}
    ),
    "orders_stockitem_delete": delete(item),
    "risk_blockedvalue_add": add("risk_blockedvalue", kind="email", value="ann@example.com"),
    "risk_blockedvalue_change": edit(blocked, kind="email", value="eve@example.com"),
    "risk_blockedvalue_delete": delete(blocked),
    "webhooks_webhookendpoint_add": add_endpoint,
    "webhooks_webhookendpoint_change": edit(endpoint, url="https://shop.example/other", payload="full"),
    "auth_user_add": add(
        "auth_user", username="grace", password1=PASSWORD, password2=PASSWORD, usable_password="true"
    ),
    "auth_user_change": edit(grace, **STAFF, **MOMENT, **MERCHANTS),
    "auth_user_delete": delete(grace),
    "auth_user_password_change": set_password,
    "auth_group_add": add("auth_group", name="clerks"),
    "auth_group_change": edit(lambda: Group.objects.create(name="clerks"), name="scribes"),
    "auth_group_delete": delete(lambda: Group.objects.create(name="clerks")),
    "api_apikey_add": add_key,
    "api_apikey_rotate": rotate_key,
    "payments_payment_capture": operate(rows.authorised, "capture"),
    "payments_payment_void": operate(rows.authorised, "void"),
    "payments_payment_refund": operate(rows.captured, "refund"),
    "payments_payment_bulk_capture": capture_in_bulk,
    "payments_payment_bulk_refund": refund_in_bulk,
    "payments_payment_settle": settle_payment,
    "payments_operation_settle": settle_operation,
    "payments_saga_settle": settle_claim,
    "password_change": change_own_password,
    "preferences": choose_zone,
    "second_factor": confirm_password,
    "second_factor_set_up": set_up_factor,
    "second_factor_codes": new_codes,
}
# The actions of lists, by table and name.


def appearance():
    return Appearance.objects.create(merchant=rows.merchant())


ACTIONS = {
    ("deadletter", "requeue_selected"): of_list(MAKE["deadletter", "requeue"], "requeue_selected"),
    ("merchant", "delete_selected"): of_list(rows.merchant, "delete_selected"),
    ("appearance", "delete_selected"): of_list(appearance, "delete_selected"),
    ("provideraccount", "delete_selected"): of_list(rows.account, "delete_selected"),
    ("approvalrule", "delete_selected"): of_list(rule, "delete_selected"),
    ("stockitem", "delete_selected"): of_list(item, "delete_selected"),
    ("blockedvalue", "delete_selected"): of_list(blocked, "delete_selected"),
    ("group", "delete_selected"): of_list(lambda: Group.objects.create(name="clerks"), "delete_selected"),
}
SESSIONS = {"login", "logout"}
OTHER_ARGUMENTS = {"app_list": ["payments"], "payments_dispute_download": [1, "evd_1"]}
WRITES = re.compile(r'\s*(?:INSERT INTO|UPDATE|DELETE FROM) "?(\w+)', re.IGNORECASE)
# The table of sessions, whose rows record no action.
OF_SESSIONS = {"django_session"}


def named_addresses():
    """Return the names of all addresses of the back office."""
    found = []

    def walk(patterns):
        for pattern in patterns:
            if isinstance(pattern, URLPattern):
                found.append(pattern.name)
            else:
                walk(pattern.url_patterns)

    [of_admin] = [each for each in get_resolver().url_patterns if getattr(each, "namespace", "") == "admin"]
    walk(of_admin.url_patterns)
    return sorted({name for name in found if name})


def test_every_address_that_changes_something_is_tried():
    names = set(named_addresses())
    assert len(names) > 100
    assert CHANGES.keys() <= names
    unknown = {
        name
        for name in names - CHANGES.keys()
        for model, page in admin.site._registry.items()
        for each in getattr(page, "verbs", ())
        if name == f"{model._meta.app_label}_{model._meta.model_name}_{each.name}"
    }
    assert not unknown


def test_every_action_of_a_list_is_tried(rf, admin_user):
    request = rf.get("/")
    request.user = admin_user
    found = {
        (str(model._meta.model_name), name)
        for model, page in admin.site._registry.items()
        for name in page.get_actions(request)
    }
    assert found == ACTIONS.keys()


@pytest.mark.parametrize("send", [*CHANGES.values(), *ACTIONS.values()], ids=[*CHANGES, *map(str, ACTIONS)])
def test_what_changes_something_is_recorded_once_with_who_and_from_where(admin_client, send):
    response = send(admin_client)
    assert response.status_code in (200, 302)
    [entry] = entries()
    assert (entry.by, entry.origin) == ("admin", "127.0.0.1")
    assert entry.table
    assert entry.row
    assert entry.what


def arguments(name, payment):
    """Return the arguments of an address: the key of a row of its table, if there is one."""
    if name in OTHER_ARGUMENTS:
        return OTHER_ARGUMENTS[name]
    app, model, *_ = name.split("_")
    table = next((each for each in admin.site._registry if each._meta.label_lower == f"{app}.{model}"), None)
    row = table._default_manager.first() if table else payment
    return [row.pk if row else 1]


@pytest.mark.parametrize("name", sorted(set(named_addresses()) - CHANGES.keys() - SESSIONS))
def test_no_other_address_writes_anything(admin_client, name):
    """Except for an export, which is recorded, although it changes nothing."""
    payment = rows.paid()
    try:
        address = reverse(f"admin:{name}")
    except NoReverseMatch:
        address = reverse(f"admin:{name}", args=arguments(name, payment))
    with CaptureQueriesContext(connections["default"]) as queries:
        admin_client.post(address, {"post": "yes", "reason": "x", "confirmed": "yes"})
    written = {match[1] for each in queries if (match := WRITES.match(each["sql"]))} - OF_SESSIONS
    assert written <= ({"audit_auditentry"} if "_export" in name else set())
