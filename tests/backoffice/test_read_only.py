import pytest
from django.contrib import admin
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

import checkout.backoffice.admin  # noqa: F401  it registers the pages
from checkout.money import Money
from tests.backoffice import rows
from tests.support.tables import our_models

pytestmark = pytest.mark.django_db

# Staff with a permission of its own make keys, and can otherwise only end them.
EDITABLE = {
    "apikey",
    "merchant",
    "appearance",
    "provideraccount",
    "approvalrule",
    "stockitem",
    "blockedvalue",
    "webhookendpoint",
}
MONEY = sorted(
    str(model._meta.model_name)
    for model in our_models()
    # A proxy lists rows of another table.
    if model._meta.model_name not in EDITABLE and model in admin.site._registry and not model._meta.proxy
)
SECRETS = (
    "machine-cookie-value",
    "session-id-value",
    "token-hash-value",
    "challenge-payload-value",
    "response-body-value",
    "stored-token-value",
)


def model_named(name):
    return next(model for model in our_models() if model._meta.model_name == name)


def label(name):
    return model_named(name)._meta.app_label


def only_row(name):
    return model_named(name)._default_manager.first()


def test_everything_that_tells_of_money_is_in_the_back_office():
    assert {
        "payment", "attempt", "operation", "fact", "ledgerentry", "saga", "outboxmessage", "inboxmessage",
        "providernotification", "providercall", "deadletter", "difference", "savedcard",
    } <= set(MONEY)  # fmt: skip


@pytest.mark.parametrize("name", MONEY)
def test_a_superuser_can_look_but_not_change(admin_client, name):
    rows.paid()
    row = only_row(name)
    before = type(row).objects.filter(pk=row.pk).values().get()
    change = reverse(f"admin:{label(name)}_{name}_change", args=[row.pk])
    delete = reverse(f"admin:{label(name)}_{name}_delete", args=[row.pk])
    add = reverse(f"admin:{label(name)}_{name}_add")
    listed = reverse(f"admin:{label(name)}_{name}_changelist")

    page = admin_client.get(change)
    assert page.status_code == 200
    assert not page.context["adminform"].form.fields
    assert b'name="_save"' not in page.content
    assert not [secret for secret in SECRETS if secret in page.content.decode()]

    assert admin_client.post(change, {"state": "refunded", "amount_minor": "1"}).status_code == 403
    assert admin_client.post(delete, {"post": "yes"}).status_code == 403
    assert admin_client.get(delete).status_code == 403
    assert admin_client.post(add, {}).status_code == 403
    admin_client.post(listed, {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"})
    assert type(row).objects.filter(pk=row.pk).values().get() == before


@pytest.mark.parametrize("name", MONEY)
def test_lists_open_and_searching_them_works(admin_client, name):
    rows.paid()
    listed = reverse(f"admin:{label(name)}_{name}_changelist")
    response = admin_client.get(listed)
    assert response.status_code == 200
    assert len(response.context["cl"].result_list) >= 1
    assert not [secret for secret in SECRETS if secret in response.content.decode()]
    assert admin_client.get(listed, {"q": "nothing of the kind"}).context["cl"].result_count == 0


@pytest.mark.parametrize("lookup", ["session_state__startswith", "challenge_token_hash__gte", "challenge__t"])
def test_no_list_can_be_filtered_by_a_column_that_is_not_shown(admin_client, lookup):
    rows.paid()
    listed = reverse("admin:payments_attempt_changelist")
    assert admin_client.get(listed, {"order_code__startswith": "pay_"}).context["cl"].result_count == 1
    # Otherwise lists would reveal a secret letter by letter.
    assert admin_client.get(listed, {lookup: "machine"}).status_code == 400


def test_a_column_is_hidden_whatever_name_django_has_for_it(admin_client):
    rows.paid()
    listed = reverse("admin:payments_savedcard_changelist")
    for lookup in ("payment", "payment_id", "payment__id__exact", "token_hash", "sealed_token__contains"):
        assert admin_client.get(listed, {lookup: "1"}).status_code == 400
    for lookup in ("merchant__id__exact", "merchant_id", "state__exact", "id__gte"):
        assert admin_client.get(listed, {lookup: "1"}).status_code == 200


def test_everything_of_a_payment_is_found_by_its_reference(admin_client):
    payment = rows.paid("ORDER-1")
    rows.paid("ORDER-2")
    found = {}
    # A run of reconciliation belongs to an account, links and totals to a merchant, a log-in to a user.
    for name in set(MONEY) - {"payment", "paymentlink", "reconciliation", "auditentry", "dailytotal"}:
        listed = reverse(f"admin:{label(name)}_{name}_changelist")
        everything = admin_client.get(listed).context["cl"].result_count
        ours = admin_client.get(listed, {"q": payment.reference}).context["cl"].result_count
        found[name] = (ours, everything)
    assert {name: counts for name, counts in found.items() if counts[0] * 2 != counts[1]} == {}


def test_a_longer_list_takes_no_more_queries(admin_client):
    for number in range(12):
        rows.paid(f"ORDER-{number}")
    queries = {}
    for name in MONEY:
        with CaptureQueriesContext(connection) as captured:
            admin_client.get(reverse(f"admin:{label(name)}_{name}_changelist"))
        queries[name] = len(captured)
    assert {name: number for name, number in queries.items() if number > 13} == {}


def test_staff_without_permission_are_refused(staff_client):
    payment = rows.paid()
    client = staff_client("view_merchant")
    assert client.get(reverse("admin:payments_payment_changelist")).status_code == 403
    assert client.get(reverse("admin:payments_payment_change", args=[payment.pk])).status_code == 403
    assert b"Payments that need attention" not in client.get(reverse("admin:index")).content


def test_staff_who_may_see_payments_see_no_way_to_what_they_may_not_see(staff_client):
    payment = rows.paid()
    client = staff_client("view_payment")
    html = client.get(reverse("admin:payments_payment_change", args=[payment.pk])).content.decode()
    assert "The shopper came back from the bank" in html
    assert "Balanced" not in html
    assert reverse("admin:payments_attempt_change", args=[payment.attempts.get().pk]) not in html
    assert client.get(reverse("admin:payments_attempt_changelist")).status_code == 403
    assert b"Needs attention" in client.get(reverse("admin:index")).content


def test_even_all_permissions_of_django_do_not_let_staff_change_money(staff_client):
    payment = rows.paid()
    client = staff_client("view_payment", "add_payment", "change_payment", "delete_payment")
    change = reverse("admin:payments_payment_change", args=[payment.pk])
    assert client.get(change).status_code == 200
    assert client.post(change, {"state": "refunded"}).status_code == 403


def test_a_visitor_is_sent_to_the_login(client, db):
    response = client.get(reverse("admin:payments_payment_changelist"))
    assert response.status_code == 302
    assert response["Location"].startswith(reverse("admin:login"))


def test_an_entry_of_the_ledger_is_named_by_its_amount(admin_client):
    rows.paid()
    row = only_row("ledgerentry")
    page = admin_client.get(reverse("admin:ledger_ledgerentry_change", args=[row.pk]))
    assert str(Money(row.amount_minor, row.currency)) in str(row)
    assert str(row) in page.content.decode()
