"""The migration operation by which PostgreSQL guards a table against changes, whatever program makes them."""

from typing import Any

from django.db.migrations import RunPython

ADD = """
CREATE FUNCTION {table}_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'Rows of % are never changed or deleted: a % of row % was refused.',
        TG_TABLE_NAME, TG_OP, OLD.id USING ERRCODE = 'restrict_violation';
END
$$;

CREATE TRIGGER {table}_is_append_only BEFORE UPDATE OR DELETE ON {table}
    FOR EACH ROW EXECUTE FUNCTION {table}_refuse_change();
"""

REMOVE = """
DROP TRIGGER {table}_is_append_only ON {table};
DROP FUNCTION {table}_refuse_change();
"""


def refuse_changes(table: str) -> RunPython:
    """Return an operation that refuses updates and deletions of rows. Other databases get no triggers."""
    return on_postgresql(ADD.format(table=table), REMOVE.format(table=table))


def on_postgresql(forwards: str, backwards: str) -> RunPython:
    """Return an operation that executes SQL on PostgreSQL, and does nothing on another database."""

    def run(sql: str) -> Any:
        def execute(apps: Any, schema_editor: Any) -> None:
            if schema_editor.connection.vendor == "postgresql":
                schema_editor.execute(sql, params=None)

        return execute

    return RunPython(run(forwards), run(backwards))
