"""The process environment, read and checked once. One error lists everything that is wrong."""

import re
from importlib.util import find_spec
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, create_model, field_validator, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from checkout.conf import Conf
from checkout.conf.card_keys import card_keys_of
from checkout.conf.networks import is_everybody, is_loopback_name
from checkout.errors import CardKeysMisconfigured
from checkout.money import CURRENCIES, REPLACED
from messaging.setting import Setting, comma_separated, declared
from payments_gateway.database_address import is_postgresql, places_of
from payments_gateway.mail_server import MailServer

DEVELOPMENT_KEY = "development-only-key-that-production-refuses-to-start-with"

DEVELOPMENT_PASSWORD = "checkout-admin"  # noqa: S105

# The sandbox's published credentials, which are worthless anywhere else.
SANDBOX_CREDENTIALS = {
    "user": "SANDBOXMERCHANT",
    "password": "sandbox-password",
    "mac_key": "sandbox-mac-key-for-device-data-and-challenges",
    "issuer": "sandbox-issuer",
    "organisational_unit": "sandbox-unit",
    "notification_secret": "sandbox-notification-secret",
}

# A name whose last label begins with a letter, so that it is not an IP address in any notation; optionally a
# port.
_PROVIDER_HOST = re.compile(
    r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)*[a-z](?:[a-z0-9-]*[a-z0-9])?(?::[1-9][0-9]{0,4})?"
)


# The apps that may have a database of their own.
OWNERS = ("orders", "risk", "ledger", "receipts")

# Declared settings without a field of their own: one is a secret, the other is the same everywhere.
_NOT_DERIVED = {"BROKER_URL", "MESSAGING_APP_ID"}
# The names of the whole installation on the broker.
_DEFAULTS = {"MESSAGING_PREFIX": "checkout"}


def variable_of(setting: Setting[Any]) -> str:
    """Return the name of the environment variable of a declared setting."""
    return setting.name.replace("MESSAGING_", "CHECKOUT_").replace("SERVING_", "CHECKOUT_")


def _field_of(setting: Setting[Any]) -> tuple[Any, Any]:
    default = _DEFAULTS.get(setting.name, setting.default)
    return setting.type, Field(
        default=default, alias=variable_of(setting), description=setting.help, **setting.bounds
    )


def _own_database(name: str, owner: str) -> Any:
    """Return the field for the address of an app's own database."""
    return Field(
        default=SecretStr(""),
        alias=name,
        description=f"The address of a database of its own for the {owner}. By default its tables are in "
        "the database of DATABASE_URL.",
    )


DECLARED = [setting for setting in declared(Conf) if setting.name not in _NOT_DERIVED]
_FIELDS: dict[str, Any] = {setting.name: _field_of(setting) for setting in DECLARED}
_Declared = create_model("_Declared", __base__=MailServer, **_FIELDS)


class Environment(_Declared):  # type: ignore[misc, valid-type]
    """Everything that differs between installations. Names are the environment variables' names.

    The fields that are not listed here are those that ``checkout.conf`` declares, with the settings of
    messaging and of serving. Listed are secrets, and what Django or this project itself reads.
    """

    # Errors do not show the wrong value, which may be a secret. A variable that is empty counts as not set.
    model_config = SettingsConfigDict(extra="ignore", hide_input_in_errors=True, env_ignore_empty=True)

    debug: bool = Field(default=True, alias="DEBUG", description="Django's debug mode, for development only.")
    try_out: bool = Field(
        default_factory=lambda data: data["debug"],
        alias="CHECKOUT_TRY_OUT",
        description="true for an installation with the sandbox and published secrets, which only this "
        "machine can reach. The default is the value of DEBUG.",
    )
    secret_key: SecretStr = Field(
        default=SecretStr(DEVELOPMENT_KEY),
        alias="SECRET_KEY",
        description="Django's secret key; production needs one of its own.",
    )
    secret_key_fallbacks: Annotated[list[SecretStr], NoDecode] = Field(
        default=[],
        alias="SECRET_KEY_FALLBACKS",
        description="Earlier secret keys, the newest first, with commas between them. Signatures that were "
        "made with an earlier key remain valid.",
    )
    allowed_hosts: Annotated[list[str], NoDecode] = Field(
        default=["localhost", "127.0.0.1", "[::1]"],
        alias="ALLOWED_HOSTS",
        description="The host names under which the gateway is reached, with commas between them.",
    )
    database_url: SecretStr = Field(
        default=SecretStr("sqlite:///db.sqlite3"),
        alias="DATABASE_URL",
        description="The database's address, with its password: postgres://user:password@host/name. With "
        "standbys, it names all servers: postgres://user:password@a,b:5433/name "
        "(docs/database-and-broker.md).",
    )
    orders_database_url: SecretStr = _own_database("ORDERS_DATABASE_URL", "orders service")
    risk_database_url: SecretStr = _own_database("RISK_DATABASE_URL", "risk service")
    ledger_database_url: SecretStr = _own_database("LEDGER_DATABASE_URL", "ledger")
    receipts_database_url: SecretStr = _own_database(
        "RECEIPTS_DATABASE_URL", "receipts (notifications service)"
    )
    database_replica_url: SecretStr = Field(
        default=SecretStr(""),
        alias="DATABASE_REPLICA_URL",
        description="The address of a standby of DATABASE_URL, from which lists of the back office are read. "
        "By default they are read from the primary (docs/database-and-broker.md).",
    )
    database_pool_size: int = Field(
        default=10,
        ge=1,
        alias="CHECKOUT_DATABASE_POOL_SIZE",
        description="The connections that one process may have to each PostgreSQL database.",
    )
    broker_url: SecretStr = Field(
        default=SecretStr("memory://"), alias="BROKER_URL", description=Conf.broker_url.help
    )
    single_broker_user: bool = Field(
        default_factory=lambda data: data["broker_url"].get_secret_value().startswith("memory:"),
        alias="CHECKOUT_SINGLE_BROKER_USER",
        description="true lets all programs share one broker user, so that receivers do not compare senders: "
        "for a try-out. The default is true with BROKER_URL=memory://, otherwise false.",
    )
    host: str = Field(
        default="localhost", alias="HOST", description="The name or address that the web process listens on."
    )
    # uvicorn reads this variable itself, and has the same default.
    forwarded_allow_ips: str = Field(
        default="127.0.0.1,::1",
        alias="FORWARDED_ALLOW_IPS",
        description="The addresses and networks of the proxies whose X-Forwarded-For is believed.",
    )
    public_url: str = Field(
        default="http://localhost:8000",
        alias="PUBLIC_URL",
        description="The address at which browsers and providers reach the gateway.",
    )
    sandbox_url: str = Field(
        default="http://127.0.0.1:8001", alias="SANDBOX_URL", description="The address of the sandbox."
    )
    provider_credentials: dict[str, dict[str, str]] = Field(
        default={},
        alias="CHECKOUT_PROVIDER_CREDENTIALS",
        repr=False,
        description="The secrets of the provider accounts: JSON, with the code of each account as a key. A "
        "try-out adds those of the account sandbox.",
    )
    card_keys: Annotated[list[SecretStr], NoDecode] = Field(
        default=[],
        alias="CHECKOUT_CARD_KEYS",
        description="The keys with which web seals an encrypted card for the payments service, the newest "
        "first, with commas between them (docs/card-keys.md). In a try-out, the default is derived from "
        "SECRET_KEY.",
    )
    admin_password: SecretStr = Field(
        default=SecretStr(""),
        alias="CHECKOUT_ADMIN_PASSWORD",
        description="The password of the back-office user that load_example creates. In a try-out, the "
        "default is a published one; otherwise load_example requires it.",
    )

    def declared(self) -> dict[str, Any]:
        """Return the values of the declared settings by their names as Django settings."""
        return {setting.name: getattr(self, setting.name) for setting in DECLARED}

    @property
    def own_apps(self) -> list[str]:
        """The packages of apps of your own."""
        return comma_separated(self.declared()["CHECKOUT_OWN_APPS"])

    @model_validator(mode="after")
    def _own_apps_exist(self) -> "Environment":
        for name in self.own_apps:
            if not _is_package(name):
                raise ValueError(
                    f"CHECKOUT_OWN_APPS names {name}, and there is no such package. Install it, or add the "
                    "folder that contains it to PYTHONPATH"
                )
        return self

    @field_validator("allowed_hosts", "card_keys", "secret_key_fallbacks", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return comma_separated(value) if isinstance(value, str) else value

    @field_validator("card_keys")
    @classmethod
    def _card_keys_are_keys(cls, value: list[SecretStr]) -> list[SecretStr]:
        try:
            card_keys_of(key.get_secret_value() for key in value)
        except CardKeysMisconfigured as error:
            raise ValueError(str(error)) from None
        return value

    @field_validator("CHECKOUT_PROVIDER_HOSTS")
    @classmethod
    def _providers_have_names(cls, hosts: str) -> str:
        for host in comma_separated(hosts):
            if not _PROVIDER_HOST.fullmatch(host):
                raise ValueError(
                    f"CHECKOUT_PROVIDER_HOSTS has {host!r}, which is no host name in lower case, "
                    "perhaps with a port, such as secure.worldpay.com"
                )
        return hosts

    @field_validator("CHECKOUT_PROVIDER_NETWORKS", "CHECKOUT_WEBHOOK_ALLOWED_NETWORKS")
    @classmethod
    def _networks_are_networks(cls, networks: str) -> str:
        for network in comma_separated(networks):
            try:
                ip_network(network)
            except ValueError as error:
                raise ValueError(f"{error}. Write networks like 10.1.0.0/16, with commas between") from None
        return networks

    @field_validator("CHECKOUT_PROVIDER_CA_FILE")
    @classmethod
    def _authorities_are_in_a_file(cls, path: str) -> str:
        if path and not Path(path).is_file():
            raise ValueError(f"there is no file {path}")
        return path

    @field_validator("CHECKOUT_RISK_AMOUNT_LIMITS")
    @classmethod
    def _limits_are_of_currencies(cls, limits: dict[str, int]) -> dict[str, int]:
        for currency in limits:
            # Payments from before a currency was replaced may still be paid.
            if currency not in CURRENCIES | REPLACED:
                raise ValueError(
                    f"CHECKOUT_RISK_AMOUNT_LIMITS limits {currency!r}, which is no currency by ISO 4217 in "
                    'capital letters: no payment would be limited. Write it like {"EUR": 1000000}'
                )
        return limits

    @property
    def database_urls(self) -> dict[str, str]:
        """The addresses of all databases: ``default``, and those of apps by the app's label."""
        urls = {
            "default": self.database_url,
            **{name: getattr(self, f"{name}_database_url") for name in OWNERS},
        }
        return {name: url.get_secret_value() for name, url in urls.items() if url.get_secret_value()}

    @model_validator(mode="after")
    def _no_database_is_named_twice(self) -> "Environment":
        """Refuse two names for one database. Its outbox would be read twice, and its tables created twice."""
        places = [places_of(url) for url in self.database_urls.values()]
        if len(set().union(*places)) < sum(map(len, places)):
            raise ValueError(
                "two of the databases have the same address: leave out the variable of one of them"
            )
        return self

    @model_validator(mode="after")
    def _a_replica_is_of_postgresql(self) -> "Environment":
        url = self.database_replica_url.get_secret_value()
        if url and not (is_postgresql(url) and is_postgresql(self.database_url.get_secret_value())):
            raise ValueError(
                "DATABASE_REPLICA_URL is set, and only PostgreSQL has standbys: set both it and DATABASE_URL "
                "to addresses that begin with postgres://, or leave it out"
            )
        return self

    @model_validator(mode="after")
    def _production_needs_its_own_secret(self) -> "Environment":
        if not self.try_out and self.secret_key.get_secret_value() == DEVELOPMENT_KEY:
            raise ValueError("SECRET_KEY must be set for anything but a try-out")
        if not self.try_out and SecretStr(DEVELOPMENT_KEY) in self.secret_key_fallbacks:
            raise ValueError("SECRET_KEY_FALLBACKS has the published key, which proves nothing")
        return self

    @model_validator(mode="after")
    def _production_shows_nobody_its_insides(self) -> "Environment":
        if not self.try_out and self.debug:
            raise ValueError("DEBUG must be off for anything but a try-out")
        return self

    @model_validator(mode="after")
    def _production_loses_and_believes_nothing_it_must_not(self) -> "Environment":
        """Refuse settings of which ``check --deploy`` warns, and whose damage would be noticed too late."""
        if self.try_out:
            return self
        faults = []
        url = urlsplit(self.public_url)
        if url.scheme != "https" and not (url.scheme == "http" and is_loopback_name(url.hostname or "")):
            # The host without a user name and a password, if it has any.
            host = url.netloc.rpartition("@")[2] or "<host>"
            faults.append(
                "PUBLIC_URL is not https://, so that sessions of staff and tokens of shoppers could be read "
                f"on the way. Set it to https://{host} and let a proxy in front end TLS"
            )
        if self.broker_url.get_secret_value().startswith("memory:"):
            faults.append(
                "BROKER_URL is memory://, with which queued messages are lost when the process ends. "
                "Set it to amqp:// or amqps:// with the user of this program"
            )
        if everybody := [name for name in comma_separated(self.forwarded_allow_ips) if is_everybody(name)]:
            faults.append(
                f"FORWARDED_ALLOW_IPS has {', '.join(everybody)}, so that a client has whatever address it "
                "sends in X-Forwarded-For. Set it to the addresses or networks of the proxies in front"
            )
        if faults:
            raise ValueError("; ".join(faults))
        return self

    @model_validator(mode="after")
    def _a_try_out_is_reached_from_this_machine_only(self) -> "Environment":
        """Refuse other addresses, because a try-out's key, passwords and provider are published."""
        if not self.try_out:
            return self
        reached_at = {
            "PUBLIC_URL": [_host_of(self.public_url)],
            "ALLOWED_HOSTS": self.allowed_hosts,
            "HOST": [self.host],
        }
        for name, hosts in reached_at.items():
            for host in hosts:
                if not is_loopback_name(host):
                    raise ValueError(
                        f"{name} is {host}, and a try-out serves this machine only: "
                        "its passwords are published. "
                        "Set DEBUG=false, CHECKOUT_TRY_OUT=false and a SECRET_KEY of your own, "
                        "or leave only names such as localhost"
                    )
        return self

    @model_validator(mode="after")
    def _production_does_not_crash_on_request(self) -> "Environment":
        if not self.try_out and self.declared()["CHECKOUT_CRASH_AT"]:
            raise ValueError("CHECKOUT_CRASH_AT is for tests: CHECKOUT_TRY_OUT must be on")
        return self

    @model_validator(mode="after")
    def _the_sandbox_needs_no_set_up(self) -> "Environment":
        if self.try_out:
            self.provider_credentials.setdefault("sandbox", SANDBOX_CREDENTIALS)
            if not self.admin_password.get_secret_value():
                self.admin_password = SecretStr(DEVELOPMENT_PASSWORD)
        return self


def _is_package(name: str) -> bool:
    try:
        found = find_spec(name)
    except (ImportError, ValueError):
        return False
    return found is not None and found.submodule_search_locations is not None


def _host_of(url: str) -> str:
    return urlsplit(url).hostname or ""
