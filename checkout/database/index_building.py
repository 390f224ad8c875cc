"""The migration operation that adds an index to a table that may be large and in use."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations import AddIndex
from django.db.migrations.state import ProjectState
from django.db.models import Model

from checkout.database.bounded_connection import BoundedConnection

IS_VALID = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)"


class BuildIndex(AddIndexConcurrently):
    """Add an index while other programs write to its table, without a time limit.

    PostgreSQL builds it concurrently; SQLite has one writer at a time. The migration needs ``atomic =
    False``. It can be run again after an interruption: a complete index is kept, and an index that PostgreSQL
    has left half-built, which it would update but never use, is dropped and built again.
    """

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        """See Django's ``Operation``."""
        connection = schema_editor.connection
        model = to_state.apps.get_model(app_label, self.model_name)
        if connection.vendor != "postgresql":
            if not _exists(connection, model, self.index.name):
                AddIndex.database_forwards(self, app_label, schema_editor, from_state, to_state)
            return
        with without_time_limit(connection):
            if _exists(connection, model, self.index.name):
                if _is_valid(connection, self.index.name):
                    return
                super().database_backwards(app_label, schema_editor, to_state, from_state)
            super().database_forwards(app_label, schema_editor, from_state, to_state)

    def database_backwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        """See Django's ``Operation``."""
        connection = schema_editor.connection
        model = from_state.apps.get_model(app_label, self.model_name)
        if not _exists(connection, model, self.index.name):
            return
        if connection.vendor != "postgresql":
            AddIndex.database_backwards(self, app_label, schema_editor, from_state, to_state)
            return
        with without_time_limit(connection):
            super().database_backwards(app_label, schema_editor, from_state, to_state)


@contextmanager
def without_time_limit(connection: BaseDatabaseWrapper) -> Iterator[None]:
    connection.ensure_connection()
    # The settings name the connection's class.
    with cast(BoundedConnection, connection.connection).without_time_limit():
        yield


def _exists(connection: BaseDatabaseWrapper, model: type[Model], name: str) -> bool:
    with connection.cursor() as cursor:
        return name in connection.introspection.get_constraints(cursor, model._meta.db_table)


def _is_valid(connection: BaseDatabaseWrapper, name: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(IS_VALID, [connection.ops.quote_name(name)])
        return bool(cursor.fetchone()[0])
