"""The database of each table. The tables of some apps may be in a database of their own.

Such a database is configured under the label of its app. Tables of other apps are in the default database.
Every database has an inbox and an outbox, because a service writes them in its own transactions.
"""

from typing import Any

from django.apps import apps
from django.db import DEFAULT_DB_ALIAS, connections, router
from django.db.models import Model

# The name of a standby of the default database, if one is configured. No table belongs to it.
REPLICA = "replica"
# The models of the inbox and the outbox, with the labels of their apps.
MESSAGES = {("payments", "inboxmessage"), ("payments", "outboxmessage")}
# The apps that may have a database of their own.
OWNERS = ("orders", "risk", "ledger", "receipts")


def database_of(app_label: str) -> str:
    """Return the name of the database that has the tables of an app."""
    return app_label if app_label in connections.settings else DEFAULT_DB_ALIAS


def databases() -> list[str]:
    """Return the names of all databases that are configured for this process, the default one first."""
    own = (name for name in connections if name != REPLICA)
    return sorted(own, key=lambda name: name != DEFAULT_DB_ALIAS)


def variable_of(name: str) -> str:
    """Return the environment variable with the address of the database of this app's tables.

    ``name`` may be the label of an app or the name of a database.
    """
    return f"{name.upper()}_DATABASE_URL" if name in OWNERS else "DATABASE_URL"


def missing_tables(database: str) -> dict[str, list[str]]:
    """Return the tables that this database should have but lacks, by the label of their app.

    This happens if Django recorded a migration as applied while the app had another database.
    """
    present = set(connections[database].introspection.table_names())
    missing = {}
    for app in apps.get_app_configs():
        if app.name.startswith("checkout."):
            tables = {model._meta.db_table for model in router.get_migratable_models(app, database)}
            missing[app.label] = sorted(tables - present)
    return {label: tables for label, tables in missing.items() if tables}


class ByOwner:
    """A database router for Django that applies the rules of this module."""

    def db_for_read(self, model: type[Model], **_hints: Any) -> str | None:
        """Return the database of the model's app; None for the inbox and outbox, which every database has.

        For None, Django uses the database from which a row was read, or the default one.
        """
        if (model._meta.app_label, model._meta.model_name) in MESSAGES:
            return None
        return database_of(model._meta.app_label)

    db_for_write = db_for_read

    def allow_migrate(self, db: str, app_label: str, model_name: str | None = None, **_hints: Any) -> bool:
        """Return True if the table belongs in this database."""
        if db == REPLICA:
            return False
        return (app_label, model_name) in MESSAGES or database_of(app_label) == db
