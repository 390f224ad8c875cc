"""The example data, which suffice for a purchase and can be loaded repeatedly."""

import pytest
from django.contrib.auth import authenticate, get_user_model
from django.core.management import CommandError, call_command
from django.db.models.signals import pre_save
from django.http import HttpRequest

from checkout.management.commands.load_example import EXAMPLE_SHOP
from checkout.orders.models import StockItem
from checkout.payments.models import Merchant, ProviderAccount
from checkout.payments.providers.registry import get_provider

pytestmark = pytest.mark.django_db


def load() -> None:
    call_command("load_example", verbosity=0)


@pytest.fixture(autouse=True)
def _password(settings) -> None:
    settings.CHECKOUT_ADMIN_PASSWORD = "a long enough password 1"
    names = ("user", "password", "mac_key", "issuer", "organisational_unit")
    settings.CHECKOUT_PROVIDER_CREDENTIALS = {"sandbox": dict.fromkeys(names, "a long enough secret")}


def test_the_example_account_has_all_that_the_adapter_needs(settings):
    settings.SANDBOX_URL = "http://127.0.0.1:8001"
    load()
    account = ProviderAccount.objects.get(code="sandbox")
    provider = get_provider(account.opened())
    assert account.merchant == Merchant.objects.get(code="example")
    assert provider.device_data_form().action == "http://127.0.0.1:8001/worldpay/shopper/3ds/ddc.html"
    assert provider.card_encryption().script_url.startswith("http://127.0.0.1:8001/worldpay/cse/")


def test_there_is_something_to_buy_in_several_currencies():
    load()
    assert set(StockItem.objects.values_list("currency", flat=True)) == {"GBP", "EUR", "JPY"}
    assert all(item.price_minor > 0 and item.quantity > 0 for item in StockItem.objects.all())


def test_loading_it_again_changes_nothing_but_where_the_sandbox_is(settings):
    load()
    StockItem.objects.update(quantity=7)
    settings.SANDBOX_URL = "http://127.0.0.1:9001/"
    load()
    assert set(StockItem.objects.values_list("quantity", flat=True)) == {7}
    assert Merchant.objects.count() == get_user_model().objects.count() == 1
    endpoint = ProviderAccount.objects.get().endpoint
    assert endpoint == "http://127.0.0.1:9001/worldpay/jsp/merchant/xml/paymentService.jsp"


@pytest.mark.parametrize("is_try_out", [True, False])
def test_shoppers_may_come_back_to_the_example_shop_in_a_try_out_only(settings, is_try_out):
    settings.CHECKOUT_TRY_OUT = is_try_out
    load()
    (origins,) = Merchant.objects.values_list("return_origins", flat=True)
    assert origins == [settings.PUBLIC_URL, *([EXAMPLE_SHOP] if is_try_out else [])]


def test_staff_can_log_in_with_the_password_of_the_settings():
    load()
    user = authenticate(HttpRequest(), username="admin", password="a long enough password 1")
    assert user == get_user_model().objects.get()
    assert user.is_staff


def test_without_a_password_nothing_is_loaded_not_even_into_other_databases(settings):
    """Rows in another database would outlive the transaction, so nothing may be saved to begin with."""
    settings.CHECKOUT_ADMIN_PASSWORD = ""
    saved = []

    def note(sender, **_details):
        saved.append(sender)

    pre_save.connect(note)
    try:
        with pytest.raises(CommandError, match="CHECKOUT_ADMIN_PASSWORD"):
            load()
    finally:
        pre_save.disconnect(note)
    assert saved == []
