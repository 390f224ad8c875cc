"""Staff change a row on which somebody else acts at that moment: the present row counts."""

import pytest
from django.test import Client
from django.urls import reverse

from checkout.orders.models import StockItem
from checkout.payments.actions import set_attack_mode
from checkout.payments.models import Merchant
from tests.backoffice import rows
from tests.backoffice.operating import told
from tests.payments.service.at_once import behind

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def clients(admin_user) -> list[Client]:
    clients = [Client(), Client()]
    for client in clients:
        client.force_login(admin_user)
    return clients


def test_counting_stock_does_not_undo_the_sale_that_is_just_being_made(admin_client):
    item = StockItem.objects.create(
        merchant_code="shop", sku="tea", name="Tea", price_minor=450, currency="GBP", quantity=10
    )
    address = reverse("admin:orders_stockitem_change", args=[item.pk])
    form = {"name": "Tea", "price_minor": 450, "currency": "GBP", "quantity": 12, "initial-quantity": 10}
    page = behind(
        lambda: StockItem.objects.filter(pk=item.pk).update(quantity=7),
        lambda: admin_client.post(address, form).content.decode(),
    )[1]
    item.refresh_from_db()
    assert "it is 7 now" in str(page)
    assert item.quantity == 7


def test_editing_a_merchant_does_not_end_the_attack_mode_that_is_just_being_set(admin_client):
    row = rows.merchant()
    address = reverse("admin:payments_merchant_change", args=[row.pk])
    behind(
        lambda: set_attack_mode(row.pk, "on", by="ann", reason="Many cards"),
        lambda: admin_client.post(address, {"name": "Renamed", "return_origins": "[]"}),
    )
    row.refresh_from_db()
    assert (row.name, row.attack_mode) == ("Renamed", "on")


def test_the_second_of_two_who_change_a_row_is_told_that_it_has_changed(clients):
    row = rows.merchant()

    def press(client: Client, mode: str) -> list[str]:
        address = reverse(f"admin:payments_merchant_attack_mode_{mode}", args=[row.pk])
        return told(client.post(address, {"reason": "Many cards", "seen": seen}))

    page = clients[0].get(reverse("admin:payments_merchant_attack_mode_on", args=[row.pk]))
    seen = page.context["seen"]
    first, second = behind(lambda: press(clients[0], "on"), lambda: press(clients[1], "off"))
    assert first == ["The attack mode is on now."]
    assert "changed" in second[0]
    assert Merchant.objects.get().attack_mode == "on"
