"""System checks for combinations of settings that would do harm in production.

``payments_gateway/wrong_settings.py`` has the checks that prevent every process from starting. The checks
here need tables, classes of the product, or the role of the process.
"""

from collections.abc import Collection, Sequence
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.urls import reverse

from checkout.conf import conf
from checkout.conf.networks import is_loopback_name
from checkout.errors import CardKeysMisconfigured
from checkout.own.packages import validate_own_apps
from checkout.payments.models import ProviderAccount
from checkout.payments.providers.proof import fault_of
from checkout.payments.providers.registry import account_errors
from checkout.payments.providers.timeouts import CONNECT_SECONDS, READ_SECONDS
from checkout.privacy.card_seal import require_keys
from checkout.running.services import names_in_place
from checkout.web.protection.captcha import captcha_error
from checkout.webhooks.actions import RESEND_WITHIN
from checkout.webhooks.schedule import PAUSES
from messaging.setting import comma_separated


@checks.register()
def apps_of_your_own_can_be_used(**_kwargs: Any) -> Sequence[checks.CheckMessage]:
    """Report the reasons why steps or services of the installation's own apps cannot be used."""
    return [
        checks.Error(
            f"CHECKOUT_OWN_APPS: {fault}",
            hint="docs/own-steps.md describes such an app. The checkout service starts with no faulty step.",
            id="checkout.E021",
        )
        for fault in validate_own_apps()
    ]


@checks.register()
def services_can_work_in_place(**_kwargs: Any) -> Sequence[checks.CheckMessage]:
    """Refuse services in ``CHECKOUT_IN_PLACE`` that are unknown or have a database of their own."""
    try:
        names_in_place()
    except ImproperlyConfigured as error:
        return [checks.Error(str(error), hint="docs/scaling.md says which can.", id="checkout.E024")]
    return []


@checks.register(checks.Tags.security, deploy=True)
def every_program_proves_who_it_is(**_kwargs: Any) -> Sequence[checks.CheckMessage]:
    """Refuse a single broker user for all programs, because its password would allow sending any message."""
    if conf.is_in_memory or not conf.is_single_broker_user:
        return []
    return [
        checks.Error(
            "CHECKOUT_SINGLE_BROKER_USER is on: nobody compares who says what on the broker.",
            hint=(
                "Make a user for each program with manage.py broker_users and rabbitmqctl "
                "import_definitions, give each program its own BROKER_URL, and take the setting away. "
                "See docs/trust.md."
            ),
            id="checkout.E010",
        )
    ]


@checks.register(checks.Tags.security, deploy=True)
def production_is_reached_over_tls(**_kwargs: Any) -> Sequence[checks.CheckMessage]:
    """Require TLS. Issuers get addresses of ours with tokens, which could otherwise be read on the way."""
    if conf.is_tls:
        return []
    return [
        checks.Error(
            "PUBLIC_URL is not https://.",
            hint="Set it to the https:// address that shoppers see, and let a proxy in front end TLS.",
            id="checkout.E002",
        )
    ]


@checks.register(checks.Tags.security, deploy=True)
def production_is_no_try_out(**_kwargs: Any) -> Sequence[checks.CheckMessage]:
    """Refuse a try-out in production: it uses the sandbox, plain HTTP and published passwords."""
    if not conf.is_try_out:
        return []
    return [
        checks.Error(
            "CHECKOUT_TRY_OUT is on.",
            hint="Set DEBUG=false, CHECKOUT_TRY_OUT=false and a SECRET_KEY of your own.",
            id="checkout.E005",
        )
    ]


@checks.register(checks.Tags.security, deploy=True)
def shoppers_do_not_share_the_address_of_a_proxy(**_kwargs: Any) -> Sequence[checks.CheckMessage]:
    """Return an error if all shoppers would appear under one address, that of the proxy that ends TLS.

    One shopper could then use up every limit for all others. The web process speaks plain HTTP, so an https
    address means that there is a proxy. The proxy must be trusted by its address, which is a loopback address
    if only this machine can reach the port.
    """
    if not conf.is_tls:
        return []
    hint = (
        "Set FORWARDED_ALLOW_IPS to the addresses or networks, separated by commas, from which your proxies "
        "connect to the web process (10.0.0.0/24, say), have each of them send X-Forwarded-For, and let "
        "nobody else reach this port. For a proxy on this machine set HOST=127.0.0.1 as well."
    )
    trusted = comma_separated(conf.trusted_proxies)
    if strange := sorted(name for name in trusted if name != "*" and not _is_address(name)):
        what = f"FORWARDED_ALLOW_IPS has {', '.join(strange)}, which is no address that a proxy could have"
    elif not trusted:
        what = "FORWARDED_ALLOW_IPS is empty, so that no proxy is believed"
    elif not is_loopback_name(conf.host) and all(is_loopback_name(name) for name in trusted):
        what = f"HOST is {conf.host}, and FORWARDED_ALLOW_IPS names no proxy but one on this machine"
    elif conf.host.strip("[]") == "::1" and all(ip_network(name).version == 4 for name in trusted):
        what = "HOST is ::1, and FORWARDED_ALLOW_IPS has IPv4 addresses only"
    else:
        return []
    return [checks.Error(f"{what}: all shoppers would share one address.", hint=hint, id="checkout.E013")]


def _is_address(name: str) -> bool:
    try:
        return bool(ip_network(name))
    except ValueError:
        return False


@checks.register(checks.Tags.security, deploy=True)
def there_is_such_a_captcha(**_kwargs: Any) -> Sequence[checks.CheckMessage]:
    """Load the CAPTCHA now. Otherwise a missing class would be noticed only when an attack begins."""
    if fault := captcha_error():
        return [
            checks.Error(
                f"{fault}.",
                hint=(
                    "Set it to the dotted path of the class of your CAPTCHA, or leave it out for none. "
                    "See docs/card-testing.md."
                ),
                id="checkout.E011",
            )
        ]
    return []


@checks.register(checks.Tags.security, deploy=True)
def providers_can_prove_their_notifications(**_kwargs: Any) -> Sequence[checks.CheckMessage]:
    """Report accounts whose notifications cannot be proven, because unproven ones only cause queries."""
    return [
        checks.Error(
            f"Notifications to the provider account {account!r} cannot be proven: {fault}.",
            hint=(
                f"Set notification_secret, or notification_user and notification_password, in "
                f"CHECKOUT_PROVIDER_CREDENTIALS[{account!r}], and have the provider send notifications to "
                f"{_notification_address(account)}<notification_secret>/, or to "
                f"{_notification_address(account)} with those credentials."
            ),
            id="checkout.E007",
        )
        for account in conf.provider_accounts
        if (fault := fault_of(account))
    ]


def _notification_address(account: str) -> str:
    """Return the address of an account's notifications, even if the account's code is not a slug."""
    above = reverse("checkout:notifications", args=["-"]).removesuffix("-/")
    return f"{conf.public_url}{above}{account}/"


@checks.register(checks.Tags.security, deploy=True)
def cards_are_sealed_with_keys_of_our_own(**_kwargs: Any) -> Sequence[checks.CheckMessage]:
    """Require the keys for the card's second seal, which only web and the payments service share."""
    try:
        require_keys()
    except CardKeysMisconfigured as error:
        return [
            checks.Error(
                str(error),
                hint="Give web and the payments service, and nothing else, the same CHECKOUT_CARD_KEYS: "
                "newest first, separated by commas.",
                id="checkout.E012",
            )
        ]
    return []


@checks.register(checks.Tags.database, deploy=True)
def provider_accounts_lead_to_providers(
    *, databases: Collection[str] | None = None, **_kwargs: Any
) -> Sequence[checks.CheckMessage]:
    """Check existing accounts. The list of hosts may be newer, or a row may have been written by hand.

    A database is queried only if it is named, as in ``manage.py check --deploy --database default``.
    """
    table = ProviderAccount._meta.db_table
    return [
        checks.Error(
            f"The provider account {account.code!r} cannot be used. {fault}",
            hint=f"Change its {field} in the back office, or CHECKOUT_PROVIDER_HOSTS if that host is right.",
            id="checkout.E020",
        )
        for alias in databases or ()
        if table in connections[alias].introspection.table_names()
        for account in ProviderAccount.objects.using(alias).order_by("code")
        for field, fault in account_errors(account.provider, account.endpoint, account.options)
    ]


@checks.register(checks.Tags.security, deploy=True)
def providers_are_on_the_public_internet(**_kwargs: Any) -> Sequence[checks.CheckMessage]:
    """Warn if a provider's name may resolve into our own networks, which only staging systems need."""
    if not conf.provider_networks:
        return []
    return [
        checks.Warning(
            f"CHECKOUT_PROVIDER_NETWORKS lets providers be in {', '.join(conf.provider_networks)}.",
            hint="Leave it empty, unless a provider is reached over a private line.",
            id="checkout.W020",
        )
    ]


@checks.register(deploy=True)
def nothing_is_sent_again_while_it_may_arrive(**_kwargs: Any) -> Sequence[checks.CheckMessage]:
    """Require that requests take less than half the settling time. They are sent in the first half."""
    longest = max(conf.provider_timeouts.get(verb, seconds) for verb, seconds in READ_SECONDS.items())
    longest += conf.provider_timeouts.get("connect", CONNECT_SECONDS)
    if longest < conf.settling_time.total_seconds() / 2:
        return []
    return [
        checks.Error(
            f"CHECKOUT_SETTLING_SECONDS is less than twice the {longest:g} s that a provider may take.",
            hint="A request that is still on its way could be taken for lost, and be sent a second time.",
            id="checkout.E004",
        )
    ]


@checks.register(deploy=True)
def events_outlive_their_webhooks(**_kwargs: Any) -> Sequence[checks.CheckMessage]:
    """Require that an event is kept for all attempts at its webhook, even if it is sent again late."""
    tried = timedelta(seconds=sum(PAUSES))
    # A webhook may be sent again at the last moment, and then has all its attempts once more.
    longest = tried + max(conf.retention, RESEND_WITHIN) + tried
    if conf.event_retention > longest:
        return []
    return [
        checks.Error(
            f"CHECKOUT_EVENT_SECONDS is not more than the {longest.total_seconds():.0f} s for which a "
            "webhook may be sent, or sent again after CHECKOUT_RETENTION_SECONDS.",
            hint="An event could be deleted before its webhook was sent, which then has no body.",
            id="checkout.E022",
        )
    ]
