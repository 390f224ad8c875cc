"""The product's settings for the simulation: everything in memory, nothing written, nothing slow."""

from payments_gateway.settings import *  # noqa: F403

DEBUG = False
BROKER_URL = "memory://simulation"
MESSAGING_SINGLE_BROKER_USER = False
DATABASES = {
    "default": {
        "ENGINE": "tests.simulation.database",
        "NAME": ":memory:",
        "OPTIONS": {"transaction_mode": "IMMEDIATE", "cached_statements": 2000},
        "CONN_MAX_AGE": None,
    }
}
CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
LOGGING_CONFIG = None
CHECKOUT_PROVIDER_CREDENTIALS = {"twin": {}}
# As in production, but for three days of hourly questions at the end: staff come earlier.
CHECKOUT_INQUIRY_DELAYS = (5, 15, 45, 120, 600, 3600, 3600)
# Recognised by the loop, which lets polls that would find nothing pass without running them.
MESSAGING_RELAY_POLL_SECONDS = 0.7531
