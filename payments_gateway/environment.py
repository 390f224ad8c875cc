"""The process environment, read and checked once. All faults are reported together."""

import json
import os
import re
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, SecretStr, ValidationError, create_model, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import NoDecode, SettingsConfigDict, SettingsError

from checkout.conf import Conf
from checkout.conf.card_keys import card_keys_of
from checkout.conf.published import DEVELOPMENT_KEY, DEVELOPMENT_PASSWORD, SANDBOX_CREDENTIALS
from checkout.errors import CardKeysMisconfigured
from checkout.money import CURRENCIES, REPLACED
from messaging.setting import Setting, comma_separated, declared
from payments_gateway.mail_server import MailServer
from payments_gateway.secret_files import SUFFIX, read_secrets
from payments_gateway.wrong_settings import misspelled, setting_errors

# A host name whose last label begins with a letter, so that it is no IP address in any notation; then perhaps
# a port.
_PROVIDER_HOST = re.compile(
    r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)*[a-z](?:[a-z0-9-]*[a-z0-9])?(?::[1-9][0-9]{0,4})?"
)

# The apps that may have a database of their own.
OWNERS = ("orders", "risk", "ledger", "receipts")

# Declared settings that are not derived from their declaration: the first is a secret, which `Environment`
# lists, and the second is the same everywhere.
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
        description=f"A database of its own for the {owner}. By default its tables are in DATABASE_URL's.",
    )


_NOT_JSON = "{} is no JSON of the form that docs/settings.md describes"

DECLARED = [setting for setting in declared(Conf) if setting.name not in _NOT_DERIVED]
_FIELDS: dict[str, Any] = {setting.name: _field_of(setting) for setting in DECLARED}
_Declared = create_model("_Declared", __base__=MailServer, **_FIELDS)


class Environment(_Declared):  # type: ignore[misc, valid-type]
    """Everything that differs between installations. Names are the environment variables' names.

    Listed here are secrets, and the variables that Django or this project itself reads. The other fields are
    those that ``checkout.conf`` declares, with the settings of messaging and of serving.
    """

    # Errors do not show the wrong value, which may be a secret. An empty variable counts as not set.
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
    # The command of the web process passes it to uvicorn, which would then believe every process of this
    # machine.
    forwarded_allow_ips: str = Field(
        default="",
        alias="FORWARDED_ALLOW_IPS",
        description="The addresses and networks of the proxies whose X-Forwarded-For is believed; by default "
        "nobody's.",
    )
    public_url: str = Field(
        default="http://localhost:8000",
        alias="PUBLIC_URL",
        description="The address at which browsers and providers reach the gateway.",
    )
    sandbox_url: str = Field(
        default="http://127.0.0.1:8001", alias="SANDBOX_URL", description="The address of the sandbox."
    )
    provider_credentials: Annotated[dict[str, dict[str, str]], NoDecode] = Field(
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
        """The packages of the operator's own apps."""
        return comma_separated(self.declared()["CHECKOUT_OWN_APPS"])

    @field_validator("allowed_hosts", "card_keys", "secret_key_fallbacks", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return comma_separated(value) if isinstance(value, str) else value

    @field_validator("provider_credentials", mode="before")
    @classmethod
    def _read_json(cls, value: Any) -> Any:
        try:
            return json.loads(value) if isinstance(value, str) else value
        except ValueError:
            raise ValueError(_NOT_JSON.format("CHECKOUT_PROVIDER_CREDENTIALS")) from None

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
            # Payments in a currency that was replaced may still be paid.
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
    def _is_consistent(self) -> "Environment":
        if faults := list(setting_errors(self)):
            raise ValueError("\n".join(faults))
        return self

    @model_validator(mode="after")
    def _the_sandbox_needs_no_set_up(self) -> "Environment":
        if self.try_out:
            self.provider_credentials.setdefault("sandbox", SANDBOX_CREDENTIALS)
            if not self.admin_password.get_secret_value():
                self.admin_password = SecretStr(DEVELOPMENT_PASSWORD)
        return self


def read_environment() -> Environment:
    """Return the environment of this process. If it has faults, end the process with one line for each.

    A traceback would say nothing more. Values are not shown, because they may be secrets.
    """
    secrets = _secret_variables()
    files = [f"{name}{SUFFIX}" for name in secrets]
    values, faults = read_secrets(secrets, os.environ)
    faults = [*misspelled(os.environ, [*_known_variables(), *files]), *faults]
    try:
        environment = Environment(**values)
    except ValidationError as error:
        faults += _lines(error)
    except SettingsError as error:
        faults.append(_NOT_JSON.format(_variable_in(str(error))))
    else:
        if not faults:
            return environment
    raise SystemExit("\n".join(faults))


def is_secret(field: FieldInfo) -> bool:
    """Return True for a field that no representation of the environment shows, and that may be in a file."""
    return not field.repr or "SecretStr" in str(field.annotation)


def _secret_variables() -> list[str]:
    return [str(field.alias) for field in Environment.model_fields.values() if is_secret(field)]


def _known_variables() -> list[str]:
    return [str(field.alias) for field in Environment.model_fields.values()]


def _lines(error: ValidationError) -> Iterator[str]:
    for each in error.errors(include_url=False, include_context=False, include_input=False):
        if each["type"] == "default_factory_not_called":
            continue  # its default depends on another variable, which is wrong
        told = each["msg"].removeprefix("Value error, ")
        name = ".".join(map(str, each["loc"]))
        yield from (line if line.startswith(name) else f"{name}: {line}" for line in told.splitlines())


def _variable_in(error: str) -> str:
    """Return the variable that an error of pydantic-settings is about; the error's text names the field."""
    field = error.partition('field "')[2].partition('"')[0]
    return str(Environment.model_fields[field].alias) if field in Environment.model_fields else field
