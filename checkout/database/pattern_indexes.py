"""The migration operation that drops indexes that no query uses.

For each indexed column of text Django makes a second index on PostgreSQL, for LIKE. Every search here
compares whole values, so these would only be written: three of the eight on the table of sent messages.
"""

from django.apps.registry import Apps
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations import RunPython

OF_PATTERNS = """
SELECT indexname FROM pg_indexes WHERE schemaname = current_schema() AND tablename = ANY(%s)
AND (indexdef LIKE %s OR indexdef LIKE %s)
"""


def drop_pattern_indexes(app_label: str) -> RunPython:
    """Return an operation that drops these indexes from the tables that the app has so far.

    In a migration with ``atomic = False`` no other program waits for it.
    """

    def drop(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
        connection = schema_editor.connection
        if connection.vendor != "postgresql":
            return
        # The indexes of a table that this migration creates are made at its end.
        schema_editor.deferred_sql = [
            statement for statement in schema_editor.deferred_sql if "_pattern_ops" not in str(statement)
        ]
        tables = [model._meta.db_table for model in apps.get_app_config(app_label).get_models()]
        how = "" if connection.in_atomic_block else "CONCURRENTLY "
        with connection.cursor() as cursor:
            cursor.execute(OF_PATTERNS, [tables, "%varchar_pattern_ops%", "%text_pattern_ops%"])
            for (name,) in cursor.fetchall():
                cursor.execute(f"DROP INDEX {how}IF EXISTS {connection.ops.quote_name(name)}")

    return RunPython(drop, RunPython.noop)
