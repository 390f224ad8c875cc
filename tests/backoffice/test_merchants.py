"""Merchants: rows that belong to one by its code never pass to another."""

import pytest
from django.urls import reverse

from checkout.api.access.keys import find_key, make_key
from checkout.payments.models import Merchant
from checkout.webhooks.actions import create_endpoint
from tests.backoffice import rows

pytestmark = pytest.mark.django_db

ADD = reverse("admin:payments_merchant_add")
LIST = reverse("admin:payments_merchant_changelist")


def key_of(merchant):
    return make_key(merchant, name="shop back end", by="ada")[0]


def endpoint_of(merchant):
    return create_endpoint(merchant.code, "https://shop.example/hook").endpoint


@pytest.fixture(params=[key_of, endpoint_of])
def used(request):
    """Return a merchant with an object, and the name of the object."""
    merchant = rows.merchant()
    return merchant, str(request.param(merchant))


def test_a_merchant_for_whom_something_was_made_is_not_deleted_and_the_page_says_why(admin_client, used):
    merchant, name = used
    address = reverse("admin:payments_merchant_delete", args=[merchant.pk])
    assert name in admin_client.get(address).content.decode()
    admin_client.post(address, {"post": "yes"})
    selected = {"action": "delete_selected", "_selected_action": [merchant.pk], "post": "yes"}
    admin_client.post(LIST, selected)
    assert Merchant.objects.filter(pk=merchant.pk).exists()


def test_a_merchant_that_was_never_used_is_deleted(admin_client):
    row = rows.merchant()
    admin_client.post(reverse("admin:payments_merchant_delete", args=[row.pk]), {"post": "yes"})
    assert not Merchant.objects.exists()


def test_no_new_merchant_gets_a_code_to_which_something_belongs(admin_client, used):
    merchant, name = used
    Merchant.objects.filter(pk=merchant.pk).delete()
    page = admin_client.post(ADD, {"name": "Next", "code": merchant.code, "return_origins": "[]"})
    [fault] = page.context["adminform"].form.errors["code"]
    assert name in fault
    assert "another code" in fault
    assert not Merchant.objects.exists()


def test_the_key_of_a_merchant_that_is_gone_opens_nothing(admin_client):
    merchant = rows.merchant()
    secret = make_key(merchant, name="shop back end", by="ada")[1]
    Merchant.objects.filter(pk=merchant.pk).delete()
    admin_client.post(ADD, {"name": "Next", "code": merchant.code, "return_origins": "[]"})
    assert find_key(secret) is None


@pytest.mark.parametrize("origin", ["http://[x", "https://[::1", "https://shop.example:x"])
def test_an_origin_that_cannot_be_read_is_refused(admin_client, origin):
    sent = {"name": "Shop", "code": "shop", "return_origins": f'["{origin}"]'}
    page = admin_client.post(ADD, sent)
    assert origin in page.context["adminform"].form.errors["return_origins"][0]
