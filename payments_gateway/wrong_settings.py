"""Settings with which no process starts, although the form of each single value is right.

Each fault is a sentence that begins with the variable's name. No fault shows a secret.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, unquote, urlsplit

from django.http.request import validate_host

from checkout.conf.networks import is_loopback_name, is_world
from checkout.conf.protection import NO_CAPTCHA
from checkout.conf.published import DEVELOPMENT_KEY, DEVELOPMENT_PASSWORD, SANDBOX_CREDENTIALS
from messaging.broker import split_address
from messaging.setting import comma_separated
from payments_gateway.database_address import is_postgresql, is_sqlite, places_of

if TYPE_CHECKING:
    from payments_gateway.environment import Environment

PREFIX = "CHECKOUT_"
SHORTEST_KEY = 40
FEWEST_LETTERS = 12
# Long words. A random key contains one by chance less than once in ten million times.
WORDS = ("change", "default", "development", "django", "example", "insecure", "password", "secret")
SHORTEST_PASSWORD = 12
SHORTEST_STAFF_PASSWORD = 12

_HOST_NAME = re.compile(r"\.?[\w-]+(\.[\w-]+)*\.?|\[[0-9a-f:.]+\]", re.ASCII | re.IGNORECASE)


def misspelled(variables: Iterable[str], known: Iterable[str]) -> Iterator[str]:
    """Yield a fault for each variable that begins like one of ours and is unknown."""
    ours = {name for name in known if name.startswith(PREFIX)}
    for name in sorted(set(variables) - ours):
        if name.startswith(PREFIX):
            near = get_close_matches(name, ours, n=1)
            advice = f"Did you mean {near[0]}?" if near else "docs/settings.md lists all of them"
            yield f"{name} is no setting of the gateway. {advice}"


def setting_errors(env: Environment) -> Iterator[str]:
    """Yield everything that keeps this environment from being used."""
    yield from _of_addresses(env)
    yield from _of_own_apps(env)
    if env.try_out:
        yield from _of_try_out(env)
    else:
        yield from _of_secrets(env)
        yield from _of_exposure(env)
        yield from _of_card_testing(env.declared())


def _of_addresses(env: Environment) -> Iterator[str]:
    urls = env.database_urls
    replica = env.database_replica_url.get_secret_value()
    wrong = [name for name, url in {**urls, "replica": replica}.items() if url and not _is_database(url)]
    for name in wrong:
        variable = {"default": "DATABASE_URL", "replica": "DATABASE_REPLICA_URL"}.get(name)
        yield (
            f"{variable or f'{name.upper()}_DATABASE_URL'} is no address of a database. "
            "Write it as postgres://user:password@host/name"
        )
    if not wrong:
        places = [places_of(url) for url in urls.values()]
        if len(set().union(*places)) < sum(map(len, places)):
            # The outbox would be read twice, and the tables created twice.
            yield "two of the databases have the same address: leave out the variable of one of them"
        if replica and not (is_postgresql(replica) and is_postgresql(urls["default"])):
            yield (
                "DATABASE_REPLICA_URL is set, and only PostgreSQL has standbys: set both it and DATABASE_URL "
                "to addresses that begin with postgres://, or leave it out"
            )
    if not _is_broker(env.broker_url.get_secret_value()):
        yield "BROKER_URL is no address of a broker. Write it as amqp://user:password@host/virtual-host"
    public = _split(env.public_url)
    if public.scheme not in ("http", "https") or not public.hostname:
        yield "PUBLIC_URL is no address. Set it to https://<host>, at which shoppers reach the gateway"
    elif public.path.strip("/") or public.query or public.fragment or public.username:
        yield "PUBLIC_URL has more than a scheme, a host and perhaps a port: the gateway is not below a path"


def _is_database(url: str) -> bool:
    try:
        return bool(places_of(url))
    except ValueError:
        return False


def _is_broker(url: str) -> bool:
    if url.startswith("memory:"):
        return True
    try:
        parts = split_address(url)
    except ValueError:
        return False
    return parts.scheme in ("amqp", "amqps") and bool(parts.netloc.rpartition("@")[2])


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")


def _of_own_apps(env: Environment) -> Iterator[str]:
    for name in env.own_apps:
        if not _is_package(name):
            yield (
                f"CHECKOUT_OWN_APPS names {name}, and there is no such package. Install it, or add the "
                "folder that contains it to PYTHONPATH"
            )


def _is_package(name: str) -> bool:
    try:
        found = find_spec(name)
    except (ImportError, ValueError):
        return False
    return found is not None and found.submodule_search_locations is not None


def _of_card_testing(declared: dict[str, Any]) -> Iterator[str]:
    """Yield faults of settings against card testing that protect nothing, as nobody may notice in time."""
    if any(limit < 0 for limit in declared["CHECKOUT_RISK_AMOUNT_LIMITS"].values()):
        yield "CHECKOUT_RISK_AMOUNT_LIMITS has a limit below 0: leave the currency out for no limit"
    if declared["CHECKOUT_DECLINES_SECONDS"] > declared["CHECKOUT_RETENTION_SECONDS"]:
        yield "CHECKOUT_DECLINES_SECONDS is more than CHECKOUT_RETENTION_SECONDS: declines are kept no longer"
    if declared["CHECKOUT_CAPTCHA_ALWAYS"] and declared["CHECKOUT_CAPTCHA"] == NO_CAPTCHA:
        yield "CHECKOUT_CAPTCHA_ALWAYS is set, and there is no CAPTCHA: set CHECKOUT_CAPTCHA, or leave it out"


def _of_try_out(env: Environment) -> Iterator[str]:
    """Yield faults of addresses at which others could reach a try-out, whose secrets are public."""
    reached_at = {
        "PUBLIC_URL": [_split(env.public_url).hostname or ""],
        "ALLOWED_HOSTS": env.allowed_hosts,
        "HOST": [env.host],
    }
    for name, hosts in reached_at.items():
        for host in hosts:
            if not is_loopback_name(host):
                yield (
                    f"{name} is {host}, and a try-out serves this machine only: its passwords are published. "
                    "Set DEBUG=false, CHECKOUT_TRY_OUT=false and a SECRET_KEY of your own, or leave only "
                    "names such as localhost"
                )


def _of_secrets(env: Environment) -> Iterator[str]:
    """Yield faults of secrets that are published, or that can be guessed."""
    key = env.secret_key.get_secret_value()
    if key == DEVELOPMENT_KEY:
        yield "SECRET_KEY must be set for anything but a try-out: `openssl rand -base64 48` makes one"
    elif weakness := _weakness(key):
        yield f"SECRET_KEY {weakness}: `openssl rand -base64 48` makes one that nobody can guess"
    if "," in key:
        yield "SECRET_KEY has a comma, which would part it in SECRET_KEY_FALLBACKS"
    if DEVELOPMENT_KEY in (key.get_secret_value() for key in env.secret_key_fallbacks):
        yield "SECRET_KEY_FALLBACKS has the published key, which proves nothing"
    for number, key_of_cards in enumerate(env.card_keys, start=1):
        if _weakness(key_of_cards.get_secret_value()):
            yield f"CHECKOUT_CARD_KEYS: key {number} can be guessed; `openssl rand -base64 32` makes another"
    password = env.admin_password.get_secret_value()
    if password and (password == DEVELOPMENT_PASSWORD or len(password) < SHORTEST_STAFF_PASSWORD):
        yield (
            "CHECKOUT_ADMIN_PASSWORD is the published one, or has fewer than "
            f"{SHORTEST_STAFF_PASSWORD} characters"
        )
    for name, url in {"BROKER_URL": env.broker_url, "DATABASE_URL": env.database_url}.items():
        parts = _split(url.get_secret_value())
        if parts.password is not None and _is_guessable(
            unquote(parts.password), unquote(parts.username or "")
        ):
            yield (
                f"{name} has a password of fewer than {SHORTEST_PASSWORD} characters, or the user's name as "
                "password: `openssl rand -hex 24` makes one that needs no percent-encoding"
            )
    for account, credentials in env.provider_credentials.items():
        for name in ("password", "mac_key", "notification_secret"):
            if credentials.get(name) == SANDBOX_CREDENTIALS[name]:
                yield f"CHECKOUT_PROVIDER_CREDENTIALS: {name} of {account!r} is the sandbox's published one"


def _weakness(key: str) -> str:
    """Return why a key can be guessed; "" for a random one."""
    if len(key) < SHORTEST_KEY:
        return f"has fewer than {SHORTEST_KEY} characters"
    is_repetition = key in (key + key)[1:-1]
    if len(set(key)) < FEWEST_LETTERS or is_repetition or any(word in key.lower() for word in WORDS):
        return "can be guessed"
    return ""


def _is_guessable(password: str, user: str) -> bool:
    return len(password) < SHORTEST_PASSWORD or password.lower() == user.lower()


def _of_exposure(env: Environment) -> Iterator[str]:
    """Yield faults of settings that lose messages, show internal details, or trust unknown hosts."""
    declared = env.declared()
    if env.debug:
        yield "DEBUG must be off for anything but a try-out"
    if declared["CHECKOUT_CRASH_AT"]:
        yield "CHECKOUT_CRASH_AT is for tests: CHECKOUT_TRY_OUT must be on"
    public = _split(env.public_url)
    if public.scheme == "http" and not is_loopback_name(public.hostname or ""):
        # The host, after a user name and password if there are any.
        host = public.netloc.rpartition("@")[2]
        yield (
            "PUBLIC_URL is not https://, so that sessions of staff and tokens of shoppers could be read on "
            f"the way. Set it to https://{host} and let a proxy in front end TLS"
        )
    if env.broker_url.get_secret_value().startswith("memory:"):
        yield (
            "BROKER_URL is memory://, with which queued messages are lost when the process ends. Set it to "
            "amqp:// or amqps:// with the user of this program"
        )
    database = env.database_urls["default"]
    if _is_database(database) and is_sqlite(database):
        yield (
            "DATABASE_URL is not set, or names a file: SQLite is for trying out. Set it to "
            "postgres://user:password@host/name"
        )
    for host in env.allowed_hosts:
        if host == "*":
            yield "ALLOWED_HOSTS has *, so that a client chooses the host of our links. Name the hosts"
        elif not _HOST_NAME.fullmatch(host):
            yield f"ALLOWED_HOSTS has {host!r}, which is no host name: leave out scheme, port and path"
    if public.hostname and not validate_host(public.hostname, env.allowed_hosts):
        yield (
            f"PUBLIC_URL is at {public.hostname}, which ALLOWED_HOSTS does not name: every request would be "
            f"refused. Set ALLOWED_HOSTS={public.hostname}, with other names of the gateway after commas"
        )
    if everybody := _worlds(env.forwarded_allow_ips):
        yield (
            f"FORWARDED_ALLOW_IPS has {everybody}, so that a client has whatever address it sends in "
            "X-Forwarded-For. Set it to the addresses or networks of the proxies in front"
        )
    if everybody := _worlds(declared["CHECKOUT_WEBHOOK_ALLOWED_NETWORKS"]):
        yield (
            f"CHECKOUT_WEBHOOK_ALLOWED_NETWORKS has {everybody}, so that merchants could have requests sent "
            "to every machine that the gateway reaches. Name the networks of their endpoints"
        )
    if everybody := _worlds(declared["CHECKOUT_PROVIDER_NETWORKS"]):
        yield (
            f"CHECKOUT_PROVIDER_NETWORKS has {everybody}, so that nothing is checked. Name the networks of "
            "the providers, or leave it empty for the public internet"
        )


def _worlds(networks: str) -> str:
    return ", ".join(name for name in comma_separated(networks) if is_world(name))
