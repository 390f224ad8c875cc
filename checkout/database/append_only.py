"""Migration operations by which PostgreSQL guards a table against changes, whatever program makes them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, transaction
from django.db.migrations import RunPython

REFUSE = """
CREATE OR REPLACE FUNCTION {table}_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN{exception}
    RAISE EXCEPTION 'Rows of % are never changed or deleted: a % of row % was refused.',
        TG_TABLE_NAME, TG_OP, OLD.id USING ERRCODE = 'restrict_violation';
END
$$;
"""

ADD = f"""{REFUSE}
CREATE TRIGGER {{table}}_is_append_only BEFORE UPDATE OR DELETE ON {{table}}
    FOR EACH ROW EXECUTE FUNCTION {{table}}_refuse_change();
"""

REMOVE = """
DROP TRIGGER {table}_is_append_only ON {table};
DROP FUNCTION {table}_refuse_change();
"""

# A setting of the transaction that forgets, by which it says that it does so on purpose.
FORGETS = "checkout.forgets"
UNLESS_FORGOTTEN = f"""
    IF current_setting('{FORGETS}', true) = 'on' THEN
        IF TG_OP = 'DELETE' THEN
            RETURN OLD;
        END IF;
        RETURN NEW;
    END IF;"""


def refuse_changes(table: str) -> RunPython:
    """Return an operation that refuses updates and deletions of rows. Other databases get no triggers."""
    return on_postgresql(ADD.format(table=table, exception=""), REMOVE.format(table=table))


def let_be_forgotten(table: str) -> RunPython:
    """Return an operation after which rows of a guarded table may be changed within ``forgetting()``."""
    return on_postgresql(
        REFUSE.format(table=table, exception=UNLESS_FORGOTTEN), REFUSE.format(table=table, exception="")
    )


@contextmanager
def forgetting() -> Iterator[None]:
    """Open a transaction that may change and delete rows of tables for which ``let_be_forgotten`` was run."""
    with transaction.atomic():
        _say("on")
        yield
        _say("off")


def _say(word: str) -> None:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config(%s, %s, true)", [FORGETS, word])


def on_postgresql(forwards: str, backwards: str) -> RunPython:
    """Return an operation that executes SQL on PostgreSQL, and does nothing on another database."""

    def run(sql: str) -> Any:
        def execute(apps: Any, schema_editor: Any) -> None:
            if schema_editor.connection.vendor == "postgresql":
                schema_editor.execute(sql, params=None)

        return execute

    return RunPython(run(forwards), run(backwards))
