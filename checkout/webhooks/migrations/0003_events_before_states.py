"""Endpoints remember after which event they were made, enabled or disabled; the sweep goes by keys too."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("webhooks", "0002_deleted_endpoints"),
    ]

    operations = [
        migrations.AddField(
            model_name="sweepmark",
            name="seen_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="sweepmark",
            name="seen_pk",
            field=models.BigIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="webhookendpoint",
            name="last_event_before_it",
            field=models.BigIntegerField(default=0, editable=False),
        ),
        migrations.AddField(
            model_name="webhookendpoint",
            name="last_event_before_state",
            field=models.BigIntegerField(default=0, editable=False),
        ),
    ]
