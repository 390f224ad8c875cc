"""The migration operation for indexes of JSON columns, by which PostgreSQL finds names with values."""

from django.apps.registry import Apps
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations import RunPython


def json_index(name: str, table: str, column: str) -> RunPython:
    """Return the operation that indexes the names and values of a column, for the lookup ``contains``.

    Only PostgreSQL has such indexes. Empty objects are not in the index.
    """

    def create(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
        if schema_editor.connection.vendor == "postgresql":
            schema_editor.execute(f"CREATE INDEX {name} ON {table} USING gin ({column} jsonb_path_ops)")

    def drop(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
        if schema_editor.connection.vendor == "postgresql":
            schema_editor.execute(f"DROP INDEX {name}")

    return RunPython(create, drop)
