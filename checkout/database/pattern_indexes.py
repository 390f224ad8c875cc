"""The migration operation that leaves out indexes that no query uses.

For each indexed column of text Django makes a second index on PostgreSQL, for LIKE. Searches here compare
whole values, or parts in capitals for which there are ``trigram_indexes``. So these would only be written:
three of the eight on the table of sent messages.
"""

from django.apps.registry import Apps
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations import RunPython


def leave_out_pattern_indexes() -> RunPython:
    """Return the last operation of a migration, which leaves out these indexes of the tables it creates."""

    def leave_out(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
        # The indexes of a new table are created at the end of its migration.
        schema_editor.deferred_sql = [
            statement for statement in schema_editor.deferred_sql if "_pattern_ops" not in str(statement)
        ]

    return RunPython(leave_out, RunPython.noop)
