"""The statements of notifications, stored apart from what is kept of their bodies."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0012_large_tables"),
    ]

    operations = [
        migrations.AddField(
            model_name="providernotification",
            name="statements",
            field=models.JSONField(
                blank=True,
                editable=False,
                help_text="The statements in the body as it came; none if it could not be read",
                null=True,
            ),
        ),
        migrations.AlterField(
            model_name="providernotification",
            name="body",
            field=models.TextField(help_text="As received, with masks, for people"),
        ),
    ]
