import json

import pytest
from django.urls import reverse

from checkout.orders.models import StockItem
from checkout.payments.models import Merchant, ProviderAccount
from checkout.risk.models import BlockedValue
from tests.backoffice import rows
from tests.backoffice.recorded import entries

pytestmark = pytest.mark.django_db

LABELS = {"stockitem": "orders", "blockedvalue": "risk"}


def add(name):
    return reverse(f"admin:{LABELS.get(name, 'payments')}_{name}_add")


def change(row):
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def errors(response):
    assert response.status_code == 200
    return response.context["adminform"].form.errors


@pytest.fixture
def item():
    return StockItem.objects.create(
        merchant_code="shop", sku="tea", name="Tea", price_minor=450, currency="GBP", quantity=10
    )


def as_opened(item, **changes):
    """Return the data of a form that was opened when ``item`` had this stock, with ``changes``."""
    fields = {
        "name": item.name,
        "price_minor": item.price_minor,
        "currency": item.currency,
        "quantity": item.quantity,
        "initial-quantity": item.quantity,
    }
    return {**fields, **changes}


def test_staff_with_the_permission_edit_a_merchant(staff_client):
    row = rows.merchant()
    client = staff_client("view_merchant", "change_merchant")
    sent = {"name": "Renamed", "code": "other", "is_live": "on", "return_origins": '["https://shop.example"]'}
    assert client.post(change(row), sent).status_code == 302
    row.refresh_from_db()
    assert (row.name, row.is_live, row.return_origins) == ("Renamed", True, ["https://shop.example"])
    assert row.code == "example", "the code is chosen once"


def test_the_form_of_a_stock_item_says_in_which_unit_its_price_is(admin_client, item):
    add = reverse("admin:orders_stockitem_add")
    for page in (admin_client.get(change(item)), admin_client.get(add)):
        assert "Price in minor units (1250 for 12.50):</label>" in page.content.decode()


def test_staff_who_may_only_view_cannot_edit(staff_client):
    row = rows.merchant()
    client = staff_client("view_merchant", "view_provideraccount")
    assert client.get(change(row)).status_code == 200
    assert client.post(change(row), {"name": "Renamed"}).status_code == 403
    assert client.get(add("merchant")).status_code == 403
    assert client.get(change(rows.account())).status_code == 200


@pytest.mark.parametrize(
    "origins",
    [
        '"https://shop.example"',
        "[17]",
        '["https://shop.example/path"]',
        '["javascript:alert(1)"]',
        '["shop.example"]',
        '["https://"]',
    ],
)
def test_only_a_list_of_origins_is_taken_as_return_origins(admin_client, origins):
    response = admin_client.post(add("merchant"), {"name": "New", "code": "new", "return_origins": origins})
    assert "return_origins" in errors(response)
    assert not Merchant.objects.exists()


def test_a_provider_account_names_a_provider_that_there_is_and_says_whether_it_has_credentials(
    admin_client, settings
):
    settings.CHECKOUT_PROVIDER_CREDENTIALS = {"sandbox": {"password": "the-password-itself"}}
    fields = {
        "code": "sandbox",
        "merchant": rows.merchant().pk,
        "merchant_code": "CODE",
        "endpoint": "https://provider.example/wpg",
        "options": "{}",
    }
    assert "provider" in errors(admin_client.post(add("provideraccount"), {**fields, "provider": "none"}))
    assert (
        admin_client.post(add("provideraccount"), {**fields, "provider": "worldpay_wpg"}).status_code == 302
    )
    row = ProviderAccount.objects.get()
    html = admin_client.get(change(row)).content.decode()
    assert 'alt="True"' in html
    assert "the-password-itself" not in html


ADDRESSES = {
    "device_data_url": "https://provider.example/ddc.html",
    "challenge_url": "https://provider.example/challenge.html",
    "encryption_script_url": "https://provider.example/cse.js",
}


def account_form(*, endpoint="https://provider.example/wpg", provider="worldpay_wpg", **options):
    return {
        "code": "acme",
        "merchant": rows.merchant().pk,
        "provider": provider,
        "merchant_code": "CODE",
        "endpoint": endpoint,
        "options": json.dumps(ADDRESSES | options),
    }


def test_an_account_leads_to_hosts_that_the_environment_names(admin_client):
    assert admin_client.post(add("provideraccount"), account_form()).status_code == 302
    assert ProviderAccount.objects.get().options == ADDRESSES


@pytest.mark.parametrize("name", ADDRESSES)
@pytest.mark.parametrize(
    "address", ["https://evil.example/cse.js", "https://provider.example; script-src *", "//evil.example/", 7]
)
def test_staff_cannot_lead_cards_to_another_host(admin_client, name, address):
    [error] = errors(admin_client.post(add("provideraccount"), account_form(**{name: address})))["options"]
    assert error.startswith(f"The option {name} ")
    assert not ProviderAccount.objects.exists()


def test_staff_cannot_lead_credentials_to_another_host(admin_client, settings):
    row = rows.account()
    form = account_form(endpoint="https://evil.example/wpg")
    [error] = errors(admin_client.post(change(row), form))["endpoint"]
    assert error == ("The endpoint has the host evil.example, which is not one of CHECKOUT_PROVIDER_HOSTS.")


def test_staff_cannot_bind_the_script_to_what_is_no_digest(admin_client):
    form = account_form(encryption_script_integrity='sha384-x" onload="alert(1)')
    [error] = errors(admin_client.post(add("provideraccount"), form))["options"]
    assert "no digest" in error


@pytest.mark.parametrize(
    "name",
    [
        "captures_with_authorisation",
        "lists_orders",
        "refuses_failed_authentication",
        "saved_cards",
        "saves_without_challenge",
    ],
)
@pytest.mark.parametrize("value", ["true", True, "Yes", 1])
def test_staff_are_told_of_a_switch_that_would_count_as_off(admin_client, name, value):
    [error] = errors(admin_client.post(add("provideraccount"), account_form(**{name: value})))["options"]
    assert error == f"The option {name} is yes or no."


@pytest.mark.parametrize("provider", ["worldpay_wpg", "memory"])
@pytest.mark.parametrize("networks", ["192.0.2.0/24", ["192.0.2.1/24"], ["provider.example"], [1], None, {}])
def test_staff_are_told_of_networks_that_would_refuse_every_notification(admin_client, provider, networks):
    form = account_form(provider=provider, notification_networks=networks)
    [error] = errors(admin_client.post(add("provideraccount"), form))["options"]
    assert error.startswith("The option notification_networks ")
    assert "192.0.2.0/24" in error


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("challenge_preference", "challengeRequsted"),
        ("challenge_preference", ["noPreference"]),
        ("exponents", "HUF=1"),
        ("exponents", "HUF"),
        ("exponents", {"HUF": 0}),
        ("idempotency_keys", "yes"),
        ("idempotency_keys", True),
        ("installation_id", 4711),
        ("installation_id", "47 11"),
        ("encryption_public_key", 4711),
    ],
)
def test_staff_are_told_of_an_option_with_which_no_payment_could_be_made(admin_client, name, value):
    [error] = errors(admin_client.post(add("provideraccount"), account_form(**{name: value})))["options"]
    assert error.startswith(f"The option {name} ")
    assert not ProviderAccount.objects.exists()


def test_right_options_are_taken(admin_client):
    options = {
        "notification_networks": ["192.0.2.0/24", "2001:db8::/32", "198.51.100.7"],
        "challenge_preference": "challengeRequested",
        "exponents": "HUF=0 IDR=0",
        "idempotency_keys": "uuid",
        "installation_id": "4711",
    }
    assert admin_client.post(add("provideraccount"), account_form(**options)).status_code == 302
    assert ProviderAccount.objects.get().options == ADDRESSES | options


def test_staff_cannot_choose_a_provider_that_is_not_installed(admin_client):
    form = account_form(provider="stripes")
    assert "provider" in errors(admin_client.post(add("provideraccount"), form))


def test_a_merchant_with_payments_is_not_deleted(admin_client):
    row = rows.paid().merchant
    address = reverse("admin:payments_merchant_delete", args=[row.pk])
    admin_client.post(address, {"post": "yes"})
    assert Merchant.objects.filter(pk=row.pk).exists()


def test_stock_is_counted_anew_by_staff(admin_client, item):
    assert admin_client.post(change(item), as_opened(item, quantity=25)).status_code == 302
    item.refresh_from_db()
    assert item.quantity == 25


def test_renaming_an_item_does_not_undo_a_sale_meanwhile(admin_client, item):
    StockItem.objects.update(quantity=7)
    assert admin_client.post(change(item), as_opened(item, name="Green tea")).status_code == 302
    item.refresh_from_db()
    assert (item.name, item.quantity) == ("Green tea", 7)


def test_an_item_with_more_than_may_be_entered_now_can_be_renamed(admin_client, item):
    StockItem.objects.update(quantity=2_000_000_000)
    item.refresh_from_db()
    assert admin_client.post(change(item), as_opened(item, name="Green tea")).status_code == 302
    item.refresh_from_db()
    assert (item.name, item.quantity) == ("Green tea", 2_000_000_000)


def test_counting_stock_that_was_sold_meanwhile_is_refused_with_the_present_number(admin_client, item):
    StockItem.objects.update(quantity=7)
    response = admin_client.post(change(item), as_opened(item, quantity=25))
    assert "it is 7 now" in errors(response)["quantity"][0]
    item.refresh_from_db()
    assert item.quantity == 7


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("currency", "12"),
        ("currency", "€€€"),
        ("price_minor", "0"),
        ("price_minor", "10000000000"),
        ("currency", "ABC"),
        ("quantity", "-1"),
        ("quantity", "2147483647"),  # there would be no room for released stock
    ],
)
def test_an_item_that_could_not_be_sold_is_refused(admin_client, item, field, value):
    assert field in errors(admin_client.post(change(item), as_opened(item, **{field: value})))


@pytest.mark.parametrize(
    ("kind", "value", "stored"),
    [
        ("ip_address", "2001:DB8:0::1", "2001:db8::"),
        ("ip_address", "::ffff:192.0.2.7", "192.0.2.7"),
        ("email", "Ann@Example.com", "ann@example.com"),
        ("email", "Ann@BÜCHER.example", "ann@xn--bcher-kva.example"),
    ],
)
def test_a_blocked_value_is_stored_as_the_risk_service_compares_it(admin_client, kind, value, stored):
    assert admin_client.post(add("blockedvalue"), {"kind": kind, "value": value}).status_code == 302
    assert BlockedValue.objects.get().value == stored


@pytest.mark.parametrize("at_once", [True, False])
def test_the_audit_log_never_has_a_value_that_is_blocked(admin_client, at_once):
    for email in ("ann@example.com", "eve@example.com"):
        admin_client.post(add("blockedvalue"), {"kind": "email", "value": email})
    ann, eve = BlockedValue.objects.order_by("value")
    if at_once:
        chosen = {"action": "delete_selected", "_selected_action": [ann.pk], "post": "yes"}
        admin_client.post(reverse("admin:risk_blockedvalue_changelist"), chosen)
    else:
        admin_client.post(reverse("admin:risk_blockedvalue_delete", args=[ann.pk]), {"post": "yes"})
    assert BlockedValue.objects.get() == eve
    logged = entries().order_by("pk")
    assert [(each.action, each.row, each.name) for each in logged] == [
        ("add", str(ann.pk), f"email {ann.pk}"),
        ("add", str(eve.pk), f"email {eve.pk}"),
        ("delete", str(ann.pk), f"email {ann.pk}"),
    ]
    assert "example.com" not in str(list(logged.values()))


@pytest.mark.parametrize("model", ["blockedvalue", "merchant", "provideraccount"])
def test_a_form_says_nothing_about_a_row_that_is_not_there_yet(admin_client, model):
    page = admin_client.get(add(model)).content.decode()
    assert "Created at" not in page
    assert 'class="readonly"' not in page


@pytest.mark.parametrize(("kind", "value"), [("ip_address", "ann@example.com"), ("email", "10.0.0.1")])
def test_a_blocked_value_of_the_wrong_kind_is_refused(admin_client, kind, value):
    assert "value" in errors(admin_client.post(add("blockedvalue"), {"kind": kind, "value": value}))


def test_a_merchant_is_made_live_until_it_has_payments(staff_client):
    row = rows.merchant()
    client = staff_client("view_merchant", "change_merchant")
    sent = {"name": row.name, "return_origins": "[]"}
    assert client.post(change(row), {**sent, "is_live": "on"}).status_code == 302
    row.refresh_from_db()
    assert row.is_live
    rows.payment("A-1", owner=row)
    assert client.post(change(row), sent).status_code == 302
    row.refresh_from_db()
    assert row.is_live, "its payments were real"


def test_two_merchants_have_items_with_the_same_sku_and_one_merchant_has_not(admin_client, item):
    for code in ("shop", "rival"):
        rows.merchant(code=code)
    sent = {"name": "Tea", "sku": "tea", "price_minor": 450, "currency": "GBP", "quantity": 1}
    add = reverse("admin:orders_stockitem_add")
    assert "already has an item" in str(errors(admin_client.post(add, {**sent, "merchant_code": "shop"})))
    assert admin_client.post(add, {**sent, "merchant_code": "rival"}).status_code == 302
    assert set(StockItem.objects.values_list("merchant_code", "quantity")) == {("shop", 10), ("rival", 1)}
