"""The migration operation for trigram indexes, with which PostgreSQL finds parts of texts."""

from django.apps.registry import Apps
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations import RunPython


def trigram_index(name: str, table: str, column: str) -> RunPython:
    """Return the operation that indexes parts of a column's texts, in capitals as ``icontains`` needs them.

    Only PostgreSQL has such indexes. SQLite reads the table instead. The extension ``pg_trgm`` is trusted, so
    the owner of a database may create it.
    """

    def create(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
        if schema_editor.connection.vendor == "postgresql":
            schema_editor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
            schema_editor.execute(f"CREATE INDEX {name} ON {table} USING gin (UPPER({column}) gin_trgm_ops)")

    def drop(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
        if schema_editor.connection.vendor == "postgresql":
            schema_editor.execute(f"DROP INDEX {name}")

    return RunPython(create, drop)
