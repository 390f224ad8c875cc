"""Tables that grow: months of messages, and an index of deadlines that prepared statements can use.

Only empty tables are divided into months. `manage.py gateway divide-messages` does it where there are
messages, because it copies them while everybody waits.
"""

from django.apps.registry import Apps
from django.db import migrations, models, transaction
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.utils import timezone

from checkout.database.index_building import BuildIndex
from messaging.outbox.months import months_from
from messaging.outbox.partitions import divide


def divide_if_empty(model_name: str) -> migrations.RunPython:
    """Return an operation that divides the table of a model if it has no rows."""

    def divide_table(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
        connection, model = schema_editor.connection, apps.get_model("payments", model_name)
        if connection.vendor != "postgresql":
            return
        with transaction.atomic(using=connection.alias):
            with connection.cursor() as cursor:
                cursor.execute(f"LOCK TABLE {model._meta.db_table} IN ACCESS EXCLUSIVE MODE")
            if not model.objects.using(connection.alias).exists():
                divide(connection, model, *months_from(timezone.now()))

    return migrations.RunPython(divide_table, migrations.RunPython.noop, hints={"model_name": model_name})


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("payments", "0011_saved_cards"),
    ]

    operations = [
        divide_if_empty("inboxmessage"),
        divide_if_empty("outboxmessage"),
        BuildIndex(
            model_name="saga",
            index=models.Index(
                fields=["deadline_at"],
                name="sagas_by_deadline",
                condition=models.Q(deadline_at__isnull=False),
            ),
        ),
        migrations.RemoveIndex(model_name="saga", name="saga_deadlines"),
        migrations.RemoveIndex(model_name="saga", name="sagas_that_wait"),
    ]
