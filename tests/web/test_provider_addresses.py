"""Addresses of a provider account on the card page, including invalid ones in its row."""

import pytest

from checkout.payments.models import ProviderAccount
from messaging.concurrency.database import in_thread

pytestmark = pytest.mark.django_db(transaction=True)

DIGEST = f"sha384-{'q' * 64}"
RIGHT = {
    "device_data_url": "https://provider.example/ddc.html",
    "challenge_url": "https://provider.example/challenge.html",
    "encryption_script_url": "https://provider.example/cse.js",
}


@pytest.fixture
def account(shop, payment, settings) -> ProviderAccount:
    """Change the shop's account to one of Worldpay."""
    settings.CHECKOUT_TRY_OUT = False
    settings.CHECKOUT_PROVIDER_CREDENTIALS = {
        "memory": {"mac_key": "k" * 40, "issuer": "issuer", "organisational_unit": "unit"}
    }
    account = ProviderAccount.objects.get()
    account.provider, account.endpoint = "worldpay_wpg", "https://provider.example/wpg"
    return account


async def opened(client, payment, account, **options):
    account.options = RIGHT | options
    await in_thread(account.save)
    return await client.get(f"/checkout/{payment.reference}/")


async def test_the_page_lets_a_listed_host_collect_device_data_and_no_other(client, payment, account):
    page = await opened(client, payment, account)
    assert page.status == 200
    policy = page.headers["content-security-policy"]
    assert "form-action 'self' https://provider.example;" in policy
    assert "frame-src https://provider.example;" in policy
    assert 'src="https://provider.example/cse.js" nonce=' in page.text


async def test_the_script_is_bound_to_the_digest_of_the_account(client, payment, account):
    page = await opened(client, payment, account, encryption_script_integrity=DIGEST)
    assert f'cse.js" integrity="{DIGEST}" crossorigin="anonymous" nonce=' in page.text


@pytest.mark.parametrize("name", ["device_data_url", "encryption_script_url"])
@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/cse.js",
        "https://provider.example; script-src *",
        "https://provider.example\r\nX-Evil: 1",
        "https://127.0.0.1/cse.js",
        "http://provider.example/cse.js",
    ],
)
async def test_a_row_that_leads_elsewhere_shows_no_card_form(client, payment, account, name, address):
    page = await opened(client, payment, account, **{name: address})
    assert page.status == 503
    assert "evil" not in page.text
    assert "evil" not in str(page.headers)
    assert "script-src *" not in page.headers["content-security-policy"]
