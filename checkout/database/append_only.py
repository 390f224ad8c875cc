"""Migration operations for triggers with which PostgreSQL refuses changes of a table by any program."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, transaction
from django.db.migrations import RunPython

ADD = """
CREATE FUNCTION {table}_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN{exception}
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

# The transaction sets this variable before it erases rows on purpose. The trigger checks it.
ERASES = "checkout.erases"
UNLESS_ERASED = f"""
    IF current_setting('{ERASES}', true) = 'on' THEN
        IF TG_OP = 'DELETE' THEN
            RETURN OLD;
        END IF;
        RETURN NEW;
    END IF;"""


def refuse_changes(table: str, *, allows_erasure: bool = False) -> RunPython:
    """Return an operation that makes PostgreSQL refuse to update or delete rows. SQLite gets no triggers.

    If ``allows_erasure`` is true, rows may be changed and deleted within ``erasing_on_purpose()``.
    """
    exception = UNLESS_ERASED if allows_erasure else ""
    return on_postgresql(ADD.format(table=table, exception=exception), REMOVE.format(table=table))


@contextmanager
def erasing_on_purpose() -> Iterator[None]:
    """Open a transaction that may change and delete rows of guarded tables that allow erasure."""
    with transaction.atomic():
        _set_variable("on")
        yield
        _set_variable("off")


def _set_variable(value: str) -> None:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config(%s, %s, true)", [ERASES, value])


def on_postgresql(forwards: str, backwards: str) -> RunPython:
    """Return an operation that executes SQL on PostgreSQL, and does nothing on another database."""

    def run(sql: str) -> Any:
        def execute(apps: Any, schema_editor: Any) -> None:
            if schema_editor.connection.vendor == "postgresql":
                schema_editor.execute(sql, params=None)

        return execute

    return RunPython(run(forwards), run(backwards))
