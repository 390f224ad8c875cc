"""Endpoints remember after which event they were made, enabled or disabled; the sweep goes by keys too."""

from typing import Any

from django.db import migrations, models

from checkout.database.pattern_indexes import drop_pattern_indexes


def _find_events(apps: Any, schema_editor: Any) -> None:
    """Set the keys of endpoints that exist, by the times of events and of their states."""
    alias = schema_editor.connection.alias
    events = apps.get_model("payments", "Event").objects.using(alias).order_by("-pk")
    for endpoint in apps.get_model("webhooks", "WebhookEndpoint").objects.using(alias):
        of_merchant = events.filter(merchant__code=endpoint.merchant).values_list("pk", flat=True)
        before_it = of_merchant.filter(created_at__lt=endpoint.created_at).first()
        before_state = of_merchant.filter(created_at__lt=endpoint.state_since).first()
        endpoint.last_event_before_it = before_it or 0
        endpoint.last_event_before_state = before_state or 0
        endpoint.save(update_fields=["last_event_before_it", "last_event_before_state"])


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0006_payment_links"),
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
            field=models.BigIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="webhookendpoint",
            name="last_event_before_it",
            field=models.BigIntegerField(db_default=0, default=0, editable=False),
        ),
        migrations.AddField(
            model_name="webhookendpoint",
            name="last_event_before_state",
            field=models.BigIntegerField(db_default=0, default=0, editable=False),
        ),
        migrations.RunPython(_find_events, migrations.RunPython.noop),
        drop_pattern_indexes("webhooks"),
    ]
