"""Months of the tables of messages, in installations that are new.

Elsewhere `manage.py divide_messages` does this, because it copies the messages while everybody waits.
"""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.utils import timezone

from messaging.outbox.months import months_from
from messaging.outbox.partitions import divide


def divide_if_empty(model_name: str) -> migrations.RunPython:
    """Return an operation that divides the table of a model if it has no rows."""

    def divide_table(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
        connection, model = schema_editor.connection, apps.get_model("payments", model_name)
        if connection.vendor != "postgresql":
            return
        with connection.cursor() as cursor:
            cursor.execute(f"LOCK TABLE {model._meta.db_table} IN ACCESS EXCLUSIVE MODE")
        if not model.objects.using(connection.alias).exists():
            divide(connection, model, *months_from(timezone.now()))

    return migrations.RunPython(divide_table, migrations.RunPython.noop, hints={"model_name": model_name})


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0011_saved_cards"),
    ]

    operations = [divide_if_empty("inboxmessage"), divide_if_empty("outboxmessage")]
