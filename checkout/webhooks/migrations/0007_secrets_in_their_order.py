"""Signing secrets are in the order of their keys, which no clock decides."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("webhooks", "0006_deliveries_by_next_try")]

    operations = [
        migrations.AlterModelOptions(name="signingsecret", options={"ordering": ["-pk"]}),
    ]
