"""Django settings. Values that differ between installations come from the environment."""

from datetime import timedelta

import structlog

from checkout.log_lines import add_work
from checkout.privacy.log import scrub_event
from payments_gateway import places
from payments_gateway.databases import database, replica
from payments_gateway.environment import read_environment
from payments_gateway.log_levels import UnavailableIsNoError
from payments_gateway.mail_server import mail_server

env = read_environment()
declared = env.declared()

BASE_DIR = places.BASE
DEBUG = env.debug
SECRET_KEY = env.secret_key.get_secret_value()
SECRET_KEY_FALLBACKS = [key.get_secret_value() for key in env.secret_key_fallbacks]
ALLOWED_HOSTS = env.allowed_hosts

INSTALLED_APPS = [
    "checkout.backoffice.on_demand.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_otp",
    "axes",
    "channels",
    "rest_framework",
    "drf_spectacular_sidecar",
    "checkout",
    "checkout.keys",
    "checkout.audit",
    "checkout.payments",
    "checkout.orders",
    "checkout.risk",
    "checkout.ledger",
    "checkout.receipts",
    "checkout.webhooks",
    "checkout.api",
    "checkout.web",
    "checkout.backoffice",
    *env.own_apps,
]

# The middleware of the back office and of all other requests that are not held. Held requests have a
# shorter chain, which never leaves the event loop: see payments_gateway/serving/async_handler.py.
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "payments_gateway.serving.security.headers.SecurityHeadersMiddleware",
    "checkout.web.protection.card_guard.CardNumberGuardMiddleware",
    "checkout.web.outage.OutageMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "checkout.backoffice.log_in.sessions.StaffSessionMiddleware",
    "checkout.backoffice.log_in.known_browsers.KnownBrowserMiddleware",
    "axes.middleware.AxesMiddleware",
    "payments_gateway.serving.one_thread.in_one_thread",
]

ROOT_URLCONF = "payments_gateway.urls"
ASGI_APPLICATION = "payments_gateway.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [places.TEMPLATES],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

DATABASES = {name: database(url, env) for name, url in env.database_urls.items()}
if url := env.database_replica_url.get_secret_value():
    DATABASES["replica"] = replica(url, env)
DATABASE_ROUTERS = ["checkout.database.owners.ByOwner"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

BROKER_URL = env.broker_url.get_secret_value()
PUBLIC_URL = env.public_url
SANDBOX_URL = env.sandbox_url
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "messaging.channels.layer.RabbitmqChannelLayer",
        "CONFIG": {"url": BROKER_URL, "prefix": declared["MESSAGING_PREFIX"]},
    }
}

# The settings that checkout.conf, messaging.conf and payments_gateway.serving.conf declare.
globals().update(declared)
MESSAGING_APP_ID = "payments-gateway"
SERVING_PROBLEM_TYPES = f"{PUBLIC_URL.rstrip('/')}/problems/"
MESSAGING_SINGLE_BROKER_USER = env.single_broker_user
CHECKOUT_TRY_OUT = env.try_out
CHECKOUT_ADMIN_PASSWORD = env.admin_password.get_secret_value()
CHECKOUT_CARD_KEYS = [key.get_secret_value() for key in env.card_keys]
CHECKOUT_PROVIDER_CREDENTIALS = env.provider_credentials
CHECKOUT_TRUSTED_PROXIES = env.forwarded_allow_ips
CHECKOUT_HOST = env.host

LANGUAGE_CODE = "en-gb"
FORMAT_MODULE_PATH = "checkout.backoffice.formats"
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"

# Before a password is checked, axes decides whether this user and this address may try.
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "checkout.backoffice.rights.merchants.LimitedToMerchants",
    "checkout.backoffice.log_in.passwords.PublishedOnlyInTryOuts",
]
AXES_USERNAME_FORM_FIELD = "username"
AXES_FAILURE_LIMIT = declared["CHECKOUT_LOGIN_FAILURES"]
AXES_COOLOFF_TIME = timedelta(seconds=declared["CHECKOUT_LOGIN_LOCK_SECONDS"])
# Otherwise continued guessing would lock out a member of staff for ever.
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_RESET_ON_SUCCESS = True
AXES_CLIENT_IP_CALLABLE = "checkout.backoffice.log_in.log_in.client_address"
AXES_USERNAME_CALLABLE = "checkout.backoffice.log_in.log_in.name_to_keep"
AXES_LOCKOUT_PARAMETERS = "checkout.backoffice.log_in.log_in.counted_by"
AXES_LOCKOUT_CALLABLE = "checkout.backoffice.log_in.log_in.locked_out"
# All password fields of the forms for log-ins and for new passwords, but for `AXES_PASSWORD_FORM_FIELD`,
# which axes hides itself.
AXES_SENSITIVE_PARAMETERS = [
    "username",
    "ip_address",
    "csrfmiddlewaretoken",
    "old_password",
    "new_password1",
    "new_password2",
]
# The pages of axes would let staff edit rows; `manage.py axes_reset_username` ends a lock.
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False

PASSWORD_HASHERS = ["django.contrib.auth.hashers.ScryptPasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "checkout.backoffice.log_in.passwords.LettersAndDigits"},
    {"NAME": "checkout.backoffice.log_in.passwords.NoKnownWord"},
]

SECURE_COOKIES = env.public_url.startswith("https://")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_COOKIES
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
# Not no-referrer, which makes browsers send "Origin: null" with our own forms.
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SECURE_HSTS_SECONDS = 31_536_000 if SECURE_COOKIES else 0
# Longer than any session of staff. checkout/backoffice/log_in/sessions.py determines and announces when a
# session ends.
SESSION_COOKIE_AGE = round(declared["CHECKOUT_SESSION_SECONDS"] + declared["CHECKOUT_SESSION_IDLE_SECONDS"])
CSRF_TRUSTED_ORIGINS = [env.public_url]
CSRF_FAILURE_VIEW = "checkout.web.views.errors.csrf_failure"
DEFAULT_EXCEPTION_REPORTER_FILTER = "payments_gateway.debug_page.WithoutPasswords"
SILENCED_SYSTEM_CHECKS = [
    "security.W002",  # payments_gateway.serving.security.headers sends X-Frame-Options
    "security.W005",  # other hosts of the domain are not ours, so we cannot require TLS of them
    "security.W008",  # the proxy that ends TLS in front of us redirects to HTTPS
    "security.W021",  # for the same reason as W005
]

globals().update(mail_server(env.email_url.get_secret_value()))
DEFAULT_FROM_EMAIL = env.email_sender
EMAIL_TIMEOUT = env.email_timeout
SMTP = "checkout.mail.smtp.EmailBackend"
EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend" if env.try_out else SMTP
if env.try_out:
    EMAIL_FILE_PATH = BASE_DIR / ".local" / "mail"

structlog.configure(
    processors=[
        add_work,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
    ],
    logger_factory=structlog.stdlib.LoggerFactory(),
    cache_logger_on_first_use=True,
)
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "lines": {
            "()": structlog.stdlib.ProcessorFormatter,
            "foreign_pre_chain": [
                add_work,
                structlog.stdlib.add_logger_name,
                structlog.stdlib.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
            ],
            # Last, so that it scrubs the lines of all libraries and every traceback.
            "processors": [
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                scrub_event,
                structlog.processors.JSONRenderer(ensure_ascii=False)
                if declared["CHECKOUT_LOG_FORMAT"] == "json"
                else structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"]),
            ],
        }
    },
    "filters": {
        "broker": {"()": "messaging.logs.connection_failures.WithoutConnectionFailures"},
        "unavailable": {"()": UnavailableIsNoError},
    },
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": "lines", "filters": ["broker"]},
    },
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {
        # Its warnings report the ends of channels and connections; we log the reasons ourselves.
        "pika": {"level": "ERROR"},
        # It writes several warnings for each attempt to connect. We log the outage ourselves.
        "psycopg.pool": {"level": "ERROR"},
        # checkout.backoffice.log_in logs log-ins and failures, without the typed text.
        "axes": {"level": "ERROR"},
        # Django's own handlers would write the same lines a second time, unscrubbed.
        "django": {"handlers": []},
        "django.request": {"filters": ["unavailable"]},
        "uvicorn": {"handlers": [], "propagate": True},
        # Its lines contain addresses with tokens.
        "uvicorn.access": {"propagate": False},
    },
}
