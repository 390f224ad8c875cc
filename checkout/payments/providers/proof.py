"""Proof that a notification was sent by its account's provider.

Providers do not sign notifications, so the proof is knowledge of a secret address or of a password. An
account's credentials contain an unguessable last part of the path, ``notification_secret``, or a user and
password for HTTP Basic (RFC 7617), ``notification_user`` and ``notification_password``. One of the two is
enough.

An account may also have the option ``notification_networks``. A notification from any other address is a hint
if it has this proof, and is refused if it has none.
"""

import re
from base64 import b64decode
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from secrets import compare_digest

from checkout.conf import conf
from checkout.errors import NotificationNotAuthentic, ProviderAccountNotFound, ProviderMisconfigured

# The common prefix of all credentials for notifications, which are not passed to adapters.
PREFIX = "notification_"
NETWORKS = "notification_networks"
SECRET, USER, PASSWORD = "notification_secret", "notification_user", "notification_password"

_EXAMPLE = '["192.0.2.0/24"]'

_SHORTEST = 16
# The longest secret is far shorter than the longest path that is served (``serving.views.LONGEST_PATH``).
_UNGUESSABLE = re.compile(rf"[\w-]{{{_SHORTEST},200}}", re.ASCII)


def is_proven(account: str, *, secret: str = "", authorization: str = "") -> bool:
    """Return True if the secret or the header ``Authorization`` is the account's, False if both are missing.

    Raises ``ProviderAccountNotFound`` for a wrong secret, as for an unknown account, and
    ``NotificationNotAuthentic`` for wrong credentials. The header is ignored if the account has no user.
    """
    credentials = _credentials(account)
    if secret:
        expected = credentials.get(SECRET, "")
        if compare_digest(secret.encode(), expected.encode()):
            return True
        raise ProviderAccountNotFound("The secret in the address is not that of the account.")
    expected = _basic(credentials)
    if not authorization or not expected:
        return False
    if compare_digest(_presented(authorization), expected.encode()):
        return True
    raise NotificationNotAuthentic("The credentials are not those of the account.")


def fault_of(account: str) -> str:
    """Return why an account's notifications cannot be proven, or could be forged; "" if all is well."""
    credentials = _credentials(account)
    secret = credentials.get(SECRET, "")
    if secret and not _UNGUESSABLE.fullmatch(secret):
        return (
            f"its {SECRET} is shorter than {_SHORTEST} characters or longer than 200, or has others than "
            "letters, digits, _ and -"
        )
    if bool(credentials.get(USER)) != bool(credentials.get(PASSWORD)):
        return f"it has only one of {USER} and {PASSWORD}"
    if 0 < len(credentials.get(PASSWORD, "")) < _SHORTEST:
        # Wrong guesses are not limited: behind a proxy that is not configured, the provider would share the
        # limit with the guesser.
        return f"its {PASSWORD} is shorter than {_SHORTEST} characters, and can be guessed"
    if not secret and not _basic(credentials):
        return f"it has neither {SECRET} nor {USER} and {PASSWORD}"
    return ""


def read_networks(options: Mapping[str, object]) -> list[IPv4Network | IPv6Network] | None:
    """Return the networks that an account's notifications may come from; None if they may come from any.

    Raises ``ProviderMisconfigured``.
    """
    if NETWORKS not in options:
        return None
    texts = options[NETWORKS]
    if not isinstance(texts, list) or not all(isinstance(each, str) for each in texts):
        raise ProviderMisconfigured(f"The option {NETWORKS} is no list of texts such as {_EXAMPLE}.")
    try:
        return [ip_network(text) for text in texts]
    except ValueError as error:
        raise ProviderMisconfigured(
            f"The option {NETWORKS} is no list such as {_EXAMPLE}: {error}."
        ) from None


def _credentials(account: str) -> Mapping[str, str]:
    try:
        return conf.provider_credentials(account)
    except ProviderMisconfigured:
        return {}


def _basic(credentials: Mapping[str, str]) -> str:
    user, password = credentials.get(USER, ""), credentials.get(PASSWORD, "")
    return f"{user}:{password}" if user and password else ""


def _presented(authorization: str) -> bytes:
    scheme, _, value = authorization.partition(" ")
    try:
        return b64decode(value.strip(), validate=True) if scheme.lower() == "basic" else b""
    except ValueError:
        return b""
