"""A migration blocks no table that is in use."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db.migrations import AddIndex
from django.db.migrations.loader import MigrationLoader

OURS = {"payments", "orders", "risk", "ledger", "receipts", "webhooks", "api", "keys", "audit", "backoffice"}


def test_indexes_of_tables_in_use_are_built_without_blocking_them():
    """The tables of an app's first migration are new, so nobody uses them."""
    migrations = MigrationLoader(None).disk_migrations
    later = [each for (app, name), each in migrations.items() if app in OURS and name >= "0002"]
    added = [each for migration in later for each in migration.operations if isinstance(each, AddIndex)]
    assert all(isinstance(each, AddIndexConcurrently) for each in added)
