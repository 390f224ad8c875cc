"""Endpoints have a version of the API by the name that keys have it by, instead of one that did nothing."""

from typing import Any

from django.db import migrations, models


def rename(earlier: str, later: str) -> Any:
    def execute(apps: Any, schema_editor: Any) -> None:
        endpoints = apps.get_model("webhooks", "WebhookEndpoint").objects.using(
            schema_editor.connection.alias
        )
        endpoints.filter(api_version=earlier).update(api_version=later)

    return execute


class Migration(migrations.Migration):
    dependencies = [
        ("webhooks", "0003_events_before_states"),
    ]

    operations = [
        migrations.AlterField(
            model_name="webhookendpoint",
            name="api_version",
            field=models.CharField(max_length=20, help_text="The API version of the events that are sent"),
        ),
        migrations.RunPython(rename("v1", "2026-12-01"), rename("2026-12-01", "v1")),
    ]
