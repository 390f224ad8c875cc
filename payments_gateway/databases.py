"""The connection parameters of one database, with limits on every wait."""

from typing import Any

from payments_gateway.database_address import parameters_of
from payments_gateway.environment import Environment


def database(url: str, env: Environment) -> dict[str, Any]:
    """Return Django's settings for the database at ``url``."""
    settings = parameters_of(url)
    if settings["ENGINE"].endswith("postgresql"):
        # If there are other servers, a silent one is given up sooner, because the next one may answer.
        patience = {"connect_timeout": 2 if "," in settings["HOST"] else 5}
        ours, given = _of_postgresql(env), settings.get("OPTIONS", {})
        if given.get("options", "").strip():
            # The address may have options, such as a search path. Our limits are added to them.
            given = given | {"options": f"{ours['options']} {given['options']}"}
        settings["OPTIONS"] = ours | patience | given
        if not settings["OPTIONS"]["options"].strip():
            del settings["OPTIONS"]["options"]  # blank for a proxy that takes none (RDS Proxy)
        # The pool then notices a connection that has ended while it was idle, see BoundedConnection.execute.
        settings["CONN_HEALTH_CHECKS"] = True
    elif settings["ENGINE"].endswith("sqlite3"):
        # SQLite has one writer: take the write lock at BEGIN, so that waiting for it cannot deadlock.
        settings.setdefault("OPTIONS", {}).update(
            transaction_mode="IMMEDIATE",
            timeout=20,
            init_command="PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        )
    return settings


def replica(url: str, env: Environment) -> dict[str, Any]:
    """Return Django's settings for a standby that is only read. The gateway also works without it."""
    from checkout.database.bounded_connection import BoundedConnection

    settings = database(url, env)
    options = settings["OPTIONS"]
    if "options" in options:
        # If the standby has become the primary, writes are refused, too.
        options["options"] += " -c default_transaction_read_only=on"
    options["target_session_attrs"] = parameters_of(url).get("OPTIONS", {}).get("target_session_attrs", "any")
    options["pool"] |= {"timeout": 1, "connection_class": BoundedConnection}
    return settings


def _of_postgresql(env: Environment) -> dict[str, Any]:
    # Imported here, since an installation on SQLite needs no driver of PostgreSQL.
    from checkout.database.primary_connection import PrimaryConnection

    milliseconds = round(env.declared()["CHECKOUT_DATABASE_SECONDS"] * 1000)
    # A silent network or server must not block a thread, and a silent client must not keep a lock.
    return {
        # The same few hundred statements are repeated, so the server plans each once per connection.
        "server_side_binding": True,
        "prepare_threshold": 3,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 10_000,
        "options": f"-c statement_timeout={milliseconds}"
        f" -c idle_in_transaction_session_timeout={2 * milliseconds}",
        "pool": {
            "min_size": 1,
            "max_size": env.database_pool_size,
            "timeout": 5,
            # The pool reconnects at growing intervals, and makes no other attempt meanwhile. With the default
            # of five minutes, an outage of a database could take twice as long.
            "reconnect_timeout": 5,
            "connection_class": PrimaryConnection,
        },
    }
