"""The product's settings for the simulation: everything is in memory, and slow parts are off."""

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
# A schedule must not find anything in memory that an earlier one has left there.
CHECKOUT_REMEMBER_SECONDS = 0
# As in production, but without three days of hourly inquiries at the end, so that staff are needed earlier.
CHECKOUT_INQUIRY_DELAYS = (5, 15, 45, 120, 600, 3600, 3600)
# An unusual value, by which the loop recognises polls, to skip those that would find nothing.
MESSAGING_RELAY_POLL_SECONDS = 0.7531
