"""A dead letter is known by its content, so that several with one id are kept apart; its sender is kept."""

from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def known_by_their_ids(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Give the letters that are kept already a fingerprint: their ids differ."""
    apps.get_model("checkout", "DeadLetter").objects.update(fingerprint=models.F("message_id"))


class Migration(migrations.Migration):
    dependencies = [
        ("checkout", "0010_ledger_guard"),
    ]

    operations = [
        migrations.AddField(
            model_name="deadletter",
            name="fingerprint",
            field=models.CharField(
                editable=False,
                help_text="By which the same message is known when it dies again",
                max_length=64,
                null=True,
                unique=True,
            ),
        ),
        migrations.AddField(
            model_name="deadletter",
            name="sender_app",
            field=models.CharField(
                blank=True,
                db_default="",
                db_index=True,
                help_text="The program that says it sent it",
                max_length=255,
            ),
        ),
        migrations.AddField(
            model_name="deadletter",
            name="sender_user",
            field=models.CharField(
                blank=True,
                db_default="",
                db_index=True,
                help_text="The broker user that sent it",
                max_length=255,
            ),
        ),
        migrations.AlterField(
            model_name="deadletter",
            name="correlation_id",
            field=models.CharField(blank=True, db_index=True, max_length=120),
        ),
        migrations.AlterField(
            model_name="deadletter",
            name="message_id",
            field=models.CharField(db_index=True, max_length=64),
        ),
        migrations.RunPython(known_by_their_ids, migrations.RunPython.noop),
    ]
