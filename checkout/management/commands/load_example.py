"""``manage.py load_example``: an example merchant with stock, and its account with the sandbox provider.

If it is run again, existing rows stay, and the account is updated from the settings.
"""

from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from checkout.api.access.keys import make_key
from checkout.api.models import ApiKey
from checkout.conf import conf
from checkout.conf.api import TRY_OUT_API_KEY
from checkout.orders.models import StockItem
from checkout.payments.models import Merchant, ProviderAccount

ADMIN = "admin"
# The origin of the shop in examples/shop, which runs beside a try-out.
EXAMPLE_SHOP = "http://localhost:4243"

# sku, name, price in minor units, currency
ITEMS = (
    ("TEA-100", "Darjeeling tea, 100 g", 1250, "GBP"),
    ("MUG-350", "Stoneware mug", 1890, "EUR"),
    ("FAN-210", "Folding fan", 2400, "JPY"),
    ("BAG-040", "Canvas bag", 3495, "GBP"),
)
QUANTITY = 100_000


class Command(BaseCommand):
    """Write the data of the example merchant."""

    help = "Loads a merchant, its account with the sandbox, stock and a user for the back office."

    @transaction.atomic
    def handle(self, *args: Any, **options: Any) -> None:
        """Create what is missing.

        The user comes first, because the command fails without a password. The stock may be in another
        database, in which this transaction would not undo it.
        """
        load_admin()
        origins = [conf.public_url, *([EXAMPLE_SHOP] if conf.is_try_out else [])]
        merchant, _ = Merchant.objects.get_or_create(
            code="example", defaults={"name": "Example Shop", "return_origins": origins}
        )
        load_account(merchant)
        for sku, name, price, currency in ITEMS:
            StockItem.objects.get_or_create(
                merchant_code=merchant.code,
                sku=sku,
                defaults={"name": name, "price_minor": price, "currency": currency, "quantity": QUANTITY},
            )
        self.stdout.write(f"Merchant {merchant.code}, account sandbox, {len(ITEMS)} items, user {ADMIN}.")
        if secret := load_key(merchant):
            self.stdout.write(f"API key, shown only now: {secret}")


def load_account(merchant: Merchant) -> ProviderAccount:
    """Create the account with the sandbox, or update its addresses."""
    worldpay = f"{conf.sandbox_url}/worldpay"
    account, _ = ProviderAccount.objects.update_or_create(
        code="sandbox",
        defaults={
            "merchant": merchant,
            "provider": "worldpay_wpg",
            "merchant_code": "SANDBOXMERCHANT",
            "endpoint": f"{worldpay}/jsp/merchant/xml/paymentService.jsp",
            "options": {
                "lists_orders": "yes",
                "saved_cards": "yes",
                "idempotency_keys": "uuid",
                "device_data_url": f"{worldpay}/shopper/3ds/ddc.html",
                "challenge_url": f"{worldpay}/shopper/3ds/challenge.html",
                # The sandbox's script already contains its public key.
                "encryption_script_url": f"{worldpay}/cse/worldpay-cse.js",
            },
        },
    )
    return account


def load_key(merchant: Merchant) -> str:
    """Make an API key, and return its secret; "" if the merchant has a key.

    In a try-out the secret is published.
    """
    if ApiKey.objects.filter(merchant=merchant.code).exists():
        return ""
    published = TRY_OUT_API_KEY if conf.is_try_out else ""
    return make_key(merchant, name="Example", by="load_example", secret=published)[1]


def load_admin() -> None:
    """Create the superuser. An existing superuser keeps the password."""
    users = get_user_model().objects
    if users.filter(username=ADMIN).exists():
        return
    if not conf.admin_password:
        raise CommandError("Set CHECKOUT_ADMIN_PASSWORD: outside of development there is no default.")
    users.create_superuser(ADMIN, password=conf.admin_password)
