"""Staff who are limited to merchants find no rows of others, at any address."""

import re

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import NoReverseMatch, reverse

import checkout.backoffice.admin  # noqa: F401  it registers the pages
from checkout.audit.log import Author, Subject, record
from checkout.backoffice.models import MerchantAccess
from checkout.backoffice.rights.merchants import merchants_of
from checkout.backoffice.rights.pages import WithinMerchants
from checkout.orders.models import StockItem
from checkout.payments.models import ApprovalRequest, ApprovalRule, Merchant, OutboxMessage
from checkout.risk.models import BlockedValue
from tests.backoffice import rows
from tests.backoffice.recorded import entries
from tests.backoffice.test_audit_is_complete import named_addresses
from tests.support.tables import our_models

pytestmark = pytest.mark.django_db
TABLES = sorted(admin.site._registry, key=lambda model: model._meta.label)
OURS = set(our_models())
# Text that would reveal the other merchant.
TELLING = (
    "ORDER-1",
    "shopper@example.com",
    "Zanzibar",
    "secret-account",
    "zanzibar-tea",
    "blocked@example.com",
)


def clerk(*merchants, is_unlimited=False, has_access=True):
    """Log in a member of staff with all permissions."""
    person = User.objects.create(username="clerk", is_staff=True)
    person.user_permissions.set(Permission.objects.all())
    if has_access:
        MerchantAccess.objects.create(user=person, is_unlimited=is_unlimited, merchants=list(merchants))
    browser = Client()
    browser.force_login(person)
    return browser


@pytest.fixture
def foreign():
    """Write rows of each kind that belong to another merchant, and to none."""
    payment = rows.paid("ORDER-1")
    rows.waiting(payment, "refund", 300)
    rows.difference(payment, kind="refunded")
    rows.notification(payment, "conflicted", "It contradicts ORDER-1")
    rows.dead_letter(payment.reference)
    Merchant.objects.update(name="Zanzibar Teas")
    payment.merchant.provider_accounts.update(code="secret-account")
    StockItem.objects.create(
        merchant_code="example", name="zanzibar-tea", sku="T", price_minor=1, currency="GBP", quantity=1
    )
    BlockedValue.objects.create(kind="email", value="blocked@example.com")
    about = Subject("payments.payment", str(payment.pk), "ORDER-1", "example", payment.reference)
    record(Author("ada", 1, "192.0.2.7"), "refund", "Refund for ORDER-1", about)
    asked = {"action": "refund", "what": "Refund ORDER-1", "key": "k", "requested_by": "ada", "seen": "1250"}
    sums = {"amount_minor": 500, "currency": "GBP", "requested_by_user": 1, "matter": "money"}
    ApprovalRequest.objects.create(merchant=payment.merchant, payment=payment, **asked, **sums)
    ApprovalRule.objects.create(merchant=payment.merchant, matter="money", currency="GBP")
    Merchant.objects.create(code="rival", name="Rival")
    return payment


def listed(model):
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def text_of(response):
    if getattr(response, "streaming", False):
        return ""
    return response.content.decode()


def telling(text, payment):
    return [each for each in (*TELLING, payment.reference) if each in text]


def test_every_table_of_the_back_office_is_within_the_merchants_of_its_user():
    assert [
        model for model, page in admin.site._registry.items() if not isinstance(page, WithinMerchants)
    ] == []


@pytest.mark.parametrize("model", TABLES, ids=lambda model: model._meta.label)
def test_a_list_has_neither_rows_nor_filters_of_another_merchant(foreign, model):
    client = clerk("rival")
    for query in ("", f"?q={foreign.reference}", "?q=ORDER-1", "?q=example", "?all="):
        response = client.get(listed(model) + query)
        assert response.status_code in (200, 403)
        # The page repeats the search.
        page = text_of(response).replace(query[3:] or "\0", "")
        assert telling(page, foreign) == [], query
        if response.status_code == 200 and model is not Merchant and model in OURS:
            assert response.context["cl"].result_count == 0


def test_an_order_number_or_reference_of_another_merchant_leads_nowhere(foreign):
    client = clerk("rival")
    for word in (
        "ORDER-1",
        foreign.reference,
        foreign.attempts.get().order_code,
        "shopper@example.com",
        "1111",
    ):
        response = client.get(reverse("admin:payments_payment_changelist"), {"q": word})
        assert response.status_code == 200
        assert response.context["cl"].result_count == 0


def test_the_same_order_number_of_the_own_merchant_leads_to_its_payment(foreign):
    own = rows.payment("ORDER-1", owner=Merchant.objects.get(code="rival"))
    response = clerk("rival").get(reverse("admin:payments_payment_changelist"), {"q": "ORDER-1"})
    assert response["Location"] == reverse("admin:payments_payment_change", args=[own.pk])


@pytest.mark.parametrize("name", [name for name in named_addresses() if name.count("_") > 1])
def test_no_address_about_a_row_of_another_merchant_shows_or_does_anything(foreign, name):
    match = re.fullmatch(r"([a-z]+)_([a-z]+)_\w+", name)
    model = next((m for m in TABLES if match and m._meta.label_lower == ".".join(match.groups())), None)
    if model is None or model not in OURS or (row := model._default_manager.first()) is None:
        pytest.skip("about no row of ours")
    if model is Merchant:
        row = foreign.merchant
    try:
        address = reverse(f"admin:{name}", args=[row.pk])
    except NoReverseMatch:
        pytest.skip("about no row")
    client = clerk("rival")
    before = model._default_manager.filter(pk=row.pk).values().get(), OutboxMessage.objects.count()
    shown = client.get(address)
    done = client.post(address, {"reason": "x", "confirmed": "yes", "post": "yes", "is_sure": "on"})
    assert shown.status_code in (302, 403, 404)
    assert done.status_code in (302, 403, 404)
    assert telling(text_of(shown) + text_of(done), foreign) == []
    assert (model._default_manager.filter(pk=row.pk).values().get(), OutboxMessage.objects.count()) == before
    assert {entry.action for entry in entries()} == {"refund"}


def test_what_needs_attention_counts_the_own_merchant_only(foreign):
    client = clerk("rival")
    for address in (reverse("admin:index"), reverse("admin:payments_payment_attention")):
        page = client.get(address)
        assert sum(row["count"] for row in page.context["rows"]) == 0
        assert telling(text_of(page), foreign) == []
    unlimited = client.get(reverse("admin:payments_payment_attention"))
    assert unlimited.status_code == 200


@pytest.mark.parametrize(
    "name",
    [
        "payments_provideraccount_add",
        "orders_stockitem_add",
        "webhooks_webhookendpoint_add",
        "api_apikey_add",
    ],
)
def test_a_form_offers_the_own_merchant_only_and_takes_no_other(foreign, name):
    client = clerk("rival")
    page = text_of(client.get(reverse(f"admin:{name}")))
    assert "Rival" in page
    assert telling(page, foreign) == []
    sent = {"merchant": foreign.merchant.pk if "account" in name or "key" in name else "example"}
    answer = client.post(reverse(f"admin:{name}"), {**sent, "merchant_code": "example"})
    assert answer.status_code == 200
    assert "Select a valid choice" in text_of(answer)


def test_a_merchant_is_added_only_by_who_sees_all(foreign):
    assert clerk("rival").get(reverse("admin:payments_merchant_add")).status_code == 403


def test_a_completion_offers_nothing_of_another_merchant(foreign):
    query = {"app_label": "payments", "model_name": "attempt", "field_name": "payment", "term": "ORDER"}
    assert foreign.reference not in text_of(clerk("rival").get(reverse("admin:autocomplete"), query))


@pytest.mark.parametrize(
    "table", ["payments_payment", "payments_operation", "ledger_ledgerentry", "receipts_receipt"]
)
def test_a_clerk_sees_the_rows_of_the_own_merchant(foreign, table):
    client = clerk("example")
    assert client.get(reverse(f"admin:{table}_changelist")).context["cl"].result_count >= 1


def test_who_has_no_merchant_sees_none_and_a_superuser_sees_all(foreign, admin_client):
    address = reverse("admin:payments_payment_changelist")
    assert clerk(has_access=False).get(address).context["cl"].result_count == 0
    assert admin_client.get(address).context["cl"].result_count == 1


def test_who_is_ticked_for_all_merchants_sees_all(foreign):
    client = clerk(is_unlimited=True)
    assert client.get(reverse("admin:payments_payment_changelist")).context["cl"].result_count == 1
    assert client.get(reverse("admin:payments_outboxmessage_changelist")).status_code == 200


def test_a_superuser_limits_a_member_of_staff_and_it_is_recorded(admin_client):
    rows.merchant()
    grace = User.objects.create(username="grace", is_staff=True)
    address = reverse("admin:auth_user_change", args=[grace.pk])
    form = {
        **{"username": "grace", "is_active": "on", "is_staff": "on"},
        **{"date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"},
        **{"merchant_access-TOTAL_FORMS": 1, "merchant_access-INITIAL_FORMS": 0},
        **{"merchant_access-0-user": grace.pk, "merchant_access-0-merchants": ["example"]},
    }
    assert admin_client.post(address, form).status_code == 302
    assert merchants_of(User.objects.get(pk=grace.pk)) == frozenset({"example"})
    [entry] = entries()
    assert entry.what == "Changed the user: date joined, merchants"
