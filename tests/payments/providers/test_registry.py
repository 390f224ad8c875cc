"""The choice of the adapter for an account."""

import pytest

from checkout.errors import ProviderMisconfigured
from checkout.payments.providers.base import Account
from checkout.payments.providers.registry import ADAPTERS, get_provider


def account(provider):
    return Account(
        code="teapots",
        provider=provider,
        merchant_code="TEAPOTS",
        endpoint="",
        credentials={"password": "s3cret"},
    )


@pytest.mark.parametrize("provider", ADAPTERS)
def test_every_registered_adapter_can_be_made_for_an_account(provider):
    assert get_provider(account(provider)).account == account(provider)


def test_an_unknown_provider_is_the_operators_business():
    with pytest.raises(ProviderMisconfigured, match="stripes"):
        get_provider(account("stripes"))


def test_an_account_does_not_show_its_credentials():
    assert "s3cret" not in repr(account("worldpay_wpg"))
