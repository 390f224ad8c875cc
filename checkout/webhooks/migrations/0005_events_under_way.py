"""Endpoints remember which earlier events had not been committed when their state began."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("webhooks", "0004_api_version"),
    ]

    operations = [
        migrations.AddField(
            model_name="webhookendpoint",
            name="events_under_way",
            field=models.JSONField(
                blank=True,
                db_default=models.Value([], models.JSONField()),
                default=list,
                editable=False,
            ),
        ),
    ]
