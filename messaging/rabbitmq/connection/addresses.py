"""The nodes that a broker's address names, the order in which they are tried, and pika's parameters."""

import copy
import random
import socket
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote

import pika
import structlog

from messaging.broker import split_address, user_of, vhost_of

log = structlog.get_logger(__name__)

HEARTBEAT_SECONDS = 10
TCP_USER_TIMEOUT_MILLISECONDS = 8_000
CONNECT_TIMEOUT_SECONDS = 5.0
PORT, TLS_PORT = 5672, 5671
FILES = ("cafile", "certfile", "keyfile")
NO_PORT = (
    "a broker's address has a port that is no number up to 65535. If it has none, its user or password has a "
    "character such as / ? # that must be percent-encoded, as %2F %3F %23."
)


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the broker."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class TlsOptions(pika.SSLOptions):
    """TLS with one node. Each connection reads the files again, since they may be replaced meanwhile."""

    def __init__(self, files: Mapping[str, str], host: str) -> None:
        super().__init__(_tls_context(files), host)
        self._files = files

    def renew(self) -> None:
        """Read the files again. If they cannot be used, keep those that were read before."""
        try:
            self.context = _tls_context(self._files)
        except ValueError as error:
            log.warning("certificates not read again", reason=str(error))


def nodes_of(url: str) -> tuple[Node, ...]:
    """Return the nodes in ``amqp[s]://user:password@a,b:5673/vhost``, in that order.

    A node without a port gets the default of the scheme. Raises ValueError if a port is no number, or if one
    of several nodes has no host. The error contains no part of the address, because a wrong port may be a
    part of a password.
    """
    parts = split_address(url)
    default = TLS_PORT if parts.scheme == "amqps" else PORT
    hosts = [host.strip() for host in parts.netloc.rpartition("@")[2].split(",")]
    # A single node without a host is this machine. One of several without a host is a mistake, and a
    # connection to this machine could reveal the password to another program.
    if len(hosts) > 1 and any(not host or host.startswith(":") for host in hosts):
        raise ValueError("a broker's address names no host beside a comma")
    return tuple(_node(host, default) for host in hosts)


def _node(text: str, default_port: int) -> Node:
    parts = split_address(f"//{text}")
    try:
        port = parts.port
    except ValueError:
        raise ValueError(NO_PORT) from None
    return Node(unquote(parts.hostname or "localhost"), port or default_port)


def in_order(nodes: Sequence[Node], zone: str = "") -> list[Node]:
    """Return the nodes in the order in which to try them: those of this zone first, otherwise at random.

    The random order spreads many processes over the nodes. A node is in the zone if the name of its host
    contains the zone's, for example ``rabbit-1.eu-west-1a.internal`` and ``eu-west-1a``.
    """
    shuffled = random.sample(nodes, len(nodes))
    return sorted(shuffled, key=lambda node: bool(zone) and zone not in node.host)


def connection_parameters(
    url: str, name: str, *, zone: str = "", blocked_timeout_seconds: float | None = None
) -> list[pika.ConnectionParameters]:
    """Return the parameters for each node in ``amqp[s]://user:password@host:port,host:port/vhost``.

    The order is that in which this process tries the nodes, see ``in_order``. ``amqps`` verifies the broker's
    certificate and host name; ``?cafile=``, ``?certfile=`` and ``?keyfile=`` name files in PEM format. Raises
    ValueError for any other scheme, another parameter, and a file that cannot be used.
    """
    parts = split_address(url)
    if parts.scheme not in ("amqp", "amqps") or not parts.netloc:
        raise ValueError("a broker's address begins with amqp:// or amqps://")
    files = _files(parts.query)
    if files and parts.scheme == "amqp":
        raise ValueError(f"a broker's address with ?{next(iter(files))}= begins with amqps://")
    nodes = in_order(nodes_of(url), zone)
    patience = CONNECT_TIMEOUT_SECONDS if len(nodes) == 1 else _shorter_patience()
    tcp_options = {"TCP_KEEPIDLE": 5, "TCP_KEEPINTVL": 2, "TCP_KEEPCNT": 3}
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        tcp_options["TCP_USER_TIMEOUT"] = TCP_USER_TIMEOUT_MILLISECONDS
    return [
        pika.ConnectionParameters(
            host=node.host,
            port=node.port,
            virtual_host=vhost_of(url),
            credentials=pika.PlainCredentials(user_of(url), unquote(parts.password or "guest")),
            heartbeat=HEARTBEAT_SECONDS,
            ssl_options=TlsOptions(files, node.host) if parts.scheme == "amqps" else None,
            connection_attempts=1,
            socket_timeout=patience,
            stack_timeout=2 * patience,
            blocked_connection_timeout=blocked_timeout_seconds,
            client_properties={"connection_name": name},
            tcp_options=tcp_options,
        )
        for node in nodes
    ]


def _shorter_patience() -> float:
    """Return the seconds after which to give up a silent address, if there are others to try."""
    return CONNECT_TIMEOUT_SECONDS / 2


def at_address(
    parameters: pika.ConnectionParameters, address: str, *, is_last: bool
) -> pika.ConnectionParameters:
    """Return the parameters for one of several addresses of a host; TLS still verifies the host's name.

    The last address gets as much time as a single one would; the others get less.
    """
    one = copy.copy(parameters)
    one.host = address
    if not is_last:
        one.socket_timeout = _shorter_patience()
        one.stack_timeout = 2 * _shorter_patience()
    return one


def _files(query: str) -> dict[str, str]:
    files = {key: values[-1] for key, values in parse_qs(query).items()}
    # A mistyped name would otherwise be ignored.
    if unknown := sorted(files.keys() - set(FILES)):
        raise ValueError(f"a broker's address has no ?{unknown[0]}=, only {', '.join(FILES)}")
    return files


def _tls_context(files: Mapping[str, str]) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=files.get("cafile"))
        if "certfile" in files:
            context.load_cert_chain(files["certfile"], files.get("keyfile"))
    except OSError as error:
        named = ", ".join(f"{name}={file}" for name, file in files.items())
        raise ValueError(f"a file of the broker's address cannot be used ({named}): {error}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
