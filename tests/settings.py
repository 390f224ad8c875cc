"""The product's settings for tests in this process: the in-memory broker, and one database per test run.

A BROKER_URL or DATABASE_URL in the environment is used by tests that ask for RabbitMQ or PostgreSQL; see
`tests/support/environment.py`. Without a DATABASE_URL, tests run on SQLite.
"""

import copy
import os
import tempfile
from pathlib import Path

from payments_gateway import settings as product
from payments_gateway.settings import *  # noqa: F403

INSTALLED_APPS = [*product.INSTALLED_APPS, "tests.support.memory_provider", "tests.support.quick_flush"]
BROKER_URL = "memory://"
# Tests of broker permissions override this.
MESSAGING_SINGLE_BROKER_USER = True
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "messaging.channels.layer.RabbitmqChannelLayer",
        "CONFIG": {"url": BROKER_URL, "prefix": product.declared["MESSAGING_PREFIX"]},
    }
}
DATABASES = copy.deepcopy(product.DATABASES)
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # These rows need not survive a power failure, so no commit waits for the disk.
    DATABASES["default"]["OPTIONS"]["init_command"] += " PRAGMA synchronous=OFF;"
    # A file, because threads on a database in memory fail at each other's locks instead of waiting.
    DATABASES["default"]["TEST"] = {
        "NAME": Path(tempfile.gettempdir()) / f"payments-gateway-test-{os.getpid()}.sqlite3"
    }
else:
    # The transaction around a test is idle while the test waits for other programs.
    DATABASES["default"]["OPTIONS"]["options"] += " -c idle_in_transaction_session_timeout=0"
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# Tests change keys, merchants and accounts, and see the effect at once.
CHECKOUT_REMEMBER_SECONDS = 0
# The hosts of providers in tests that make no connection.
CHECKOUT_PROVIDER_HOSTS = ["provider.example", "worldpay.example"]
