"""Addresses of databases. A PostgreSQL address may name several servers, one of which accepts writes."""

from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

import dj_database_url

from checkout.conf.networks import is_loopback_name

PORT = 5432


def parameters_of(url: str) -> dict[str, Any]:
    """Return Django's parameters for ``postgres://user:password@a,b:5433/name``, or any other address.

    Servers are tried in the order of the address. If there are several, only one that accepts writes is used,
    unless the address sets ``target_session_attrs``. Raises ``ValueError``.
    """
    parts = urlsplit(url)
    login, at, hosts = parts.netloc.rpartition("@")
    if "," not in hosts:
        return {**dj_database_url.parse(url, conn_max_age=0)}
    servers = [_server(text) for text in hosts.split(",")]
    name_only = urlunsplit(parts._replace(netloc=f"{login}{at}several"))
    parameters: dict[str, Any] = {**dj_database_url.parse(name_only, conn_max_age=0)}
    parameters["HOST"] = ",".join(host for host, _ in servers)
    parameters["PORT"] = ",".join(str(port) for _, port in servers)
    parameters["OPTIONS"] = {"target_session_attrs": "read-write"} | parameters.get("OPTIONS", {})
    return parameters


def is_postgresql(url: str) -> bool:
    """Return True for an address of PostgreSQL. Raises ``ValueError`` for a text that is no address."""
    return str(parameters_of(url)["ENGINE"]).endswith("postgresql")


def is_sqlite(url: str) -> bool:
    """Return True for an address of SQLite. Raises ``ValueError`` for a text that is no address."""
    return str(parameters_of(url)["ENGINE"]).endswith("sqlite3")


def places_of(url: str) -> set[tuple[str, ...]]:
    """Return the servers and the name of a database. Addresses of one database differ only in other parts."""
    parameters = parameters_of(url)
    name = str(parameters["NAME"])
    if parameters["ENGINE"].endswith("sqlite3"):
        return {("sqlite", str(Path(name).resolve()))}
    hosts = str(parameters.get("HOST") or "localhost").lower().split(",")
    ports = str(parameters.get("PORT") or PORT).split(",")
    return {
        ("localhost" if is_loopback_name(host) else host, port, name)
        for host, port in zip(hosts, ports, strict=True)
    }


def _server(text: str) -> tuple[str, int]:
    parts = urlsplit(f"//{text.strip()}")
    if not parts.hostname:
        raise ValueError("the address of a database names no host between two commas")
    return unquote(parts.hostname), parts.port or PORT
