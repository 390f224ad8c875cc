"""Endpoints that their merchant has deleted are kept for a time, with the log of their deliveries."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("webhooks", "0001_initial"),
    ]

    operations = [
        migrations.AlterField(
            model_name="webhookendpoint",
            name="state",
            field=models.CharField(
                choices=[("enabled", "Enabled"), ("disabled", "Disabled"), ("deleted", "Deleted")],
                default="enabled",
                max_length=10,
            ),
        ),
    ]
