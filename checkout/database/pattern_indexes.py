"""The migration operation that leaves out indexes that no query uses.

For each indexed text column, Django makes a second index on PostgreSQL, for LIKE. Searches here compare whole
values, or parts of values by ``trigram_indexes``, so they never use that index. The table of sent messages,
for example, would have three such indexes among its eight.
"""

from django.apps.registry import Apps
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations import RunPython


def leave_out_pattern_indexes() -> RunPython:
    """Return an operation that leaves out these indexes. It must be the last one of a migration."""

    def leave_out(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
        # The indexes of a new table are created at the end of its migration.
        schema_editor.deferred_sql = [
            statement for statement in schema_editor.deferred_sql if "_pattern_ops" not in str(statement)
        ]

    return RunPython(leave_out, RunPython.noop)
