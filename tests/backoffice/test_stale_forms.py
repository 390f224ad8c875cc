"""A form that was opened long ago changes only the edited fields, and undoes no change of others."""

import pytest
from django.urls import reverse

from checkout.payments.models import Merchant, ProviderAccount
from checkout.tryout.documents import read_document
from checkout.webhooks import actions
from checkout.webhooks.models import WebhookEndpoint
from tests.backoffice import rows
from tests.backoffice.recorded import entries

pytestmark = pytest.mark.django_db

SHOP, LOST = "https://shop.example", "https://lost.example"


def address(row):
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def opened(client, row):
    """Open the page of a row, and return what its form sends if nothing is edited."""
    page = read_document(client.get(address(row)).content.decode(), address(row))
    [form] = [each for each in page.forms if ("_save", "Save") in each.buttons]
    return form.fields


def test_an_origin_that_a_colleague_takes_away_meanwhile_does_not_come_back(admin_client):
    row = rows.merchant()
    Merchant.objects.update(return_origins=[SHOP, LOST])
    form = opened(admin_client, row)
    Merchant.objects.update(return_origins=[SHOP])
    assert admin_client.post(address(row), {**form, "name": "Renamed"}).status_code == 302
    row.refresh_from_db()
    assert (row.name, row.return_origins) == ("Renamed", [SHOP])


def test_an_endpoint_that_its_merchant_moves_meanwhile_stays_where_it_is(admin_client):
    rows.merchant()
    row = actions.create_endpoint("example", f"{LOST}/hook", event_types=["payment.captured"]).endpoint
    form = opened(admin_client, row)
    moved = {"url": f"{SHOP}/hook", "event_types": ["payment.refunded"], "payload": "thin"}
    actions.change_endpoint("example", row.reference, **moved)
    edited = {**form, "description": "The shop's back end"}
    assert admin_client.post(address(row), edited).status_code == 302
    found = WebhookEndpoint.objects.values("description", *moved).get()
    assert found == {"description": "The shop's back end", **moved}


def test_an_account_that_a_colleague_changes_meanwhile_keeps_that_change(admin_client):
    row = rows.account()
    form = opened(admin_client, row)
    ProviderAccount.objects.update(options={"saved_cards": "no"})
    assert admin_client.post(address(row), {**form, "merchant_code": "OTHERCODE"}).status_code == 302
    row.refresh_from_db()
    assert (row.merchant_code, row.options) == ("OTHERCODE", {"saved_cards": "no"})


def test_what_is_edited_is_changed_and_stands_in_the_log(admin_client):
    row = rows.merchant()
    form = opened(admin_client, row)
    edited = {**form, "return_origins": f'["{SHOP}"]', "is_live": "on"}
    assert admin_client.post(address(row), edited).status_code == 302
    row.refresh_from_db()
    assert (row.name, row.is_live, row.return_origins) == ("Example", True, [SHOP])
    assert entries().get().what == "Changed the merchant: is live, return origins"


def test_an_endpoint_is_told_of_all_again_when_its_types_are_unticked(admin_client):
    rows.merchant()
    row = actions.create_endpoint("example", f"{SHOP}/hook", event_types=["payment.captured"]).endpoint
    form = opened(admin_client, row)
    assert form.pop("event_types") == "payment.captured"
    assert admin_client.post(address(row), form).status_code == 302
    assert WebhookEndpoint.objects.get().event_types == []
