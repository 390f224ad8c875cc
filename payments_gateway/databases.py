"""The connection parameters of one database, with limits on every wait."""

from typing import Any

import dj_database_url

from payments_gateway.environment import Environment


def database(url: str, env: Environment) -> dict[str, Any]:
    """Return Django's settings for the database at ``url``."""
    settings: dict[str, Any] = {**dj_database_url.parse(url, conn_max_age=0)}
    if settings["ENGINE"].endswith("postgresql"):
        settings["OPTIONS"] = _of_postgresql(env) | settings.get("OPTIONS", {})
    elif settings["ENGINE"].endswith("sqlite3"):
        # SQLite has one writer: take the write lock at BEGIN, so that waiting for it cannot deadlock.
        settings.setdefault("OPTIONS", {}).update(
            transaction_mode="IMMEDIATE",
            timeout=20,
            init_command="PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        )
    return settings


def _of_postgresql(env: Environment) -> dict[str, Any]:
    # Imported here, since an installation on SQLite needs no driver of PostgreSQL.
    from checkout.database.bounded_connection import BoundedConnection

    milliseconds = round(env.declared()["CHECKOUT_DATABASE_SECONDS"] * 1000)
    # A silent network or server must not hold a thread, and a silent client must not hold a lock.
    return {
        # The same few hundred statements are repeated, so the server plans each of them once per connection.
        "server_side_binding": True,
        "prepare_threshold": 3,
        "connect_timeout": 5,
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
            # The pool reconnects at growing intervals, and no other attempt is made meanwhile. With the
            # default of five minutes, the return of a database would go unnoticed for as long as it was away.
            "reconnect_timeout": 5,
            "connection_class": BoundedConnection,
        },
    }
