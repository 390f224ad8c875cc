"""Our sums of a payment whose comparison waits until the provider must show them."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0013_stated_notifications"),
    ]

    operations = [
        migrations.AddField(
            model_name="postponedcomparison",
            name="sums",
            field=models.JSONField(blank=True, db_default=models.Value({}, models.JSONField()), default=dict),
        ),
        migrations.AlterField(
            model_name="reconciliation",
            name="in_progress",
            field=models.PositiveIntegerField(default=0, help_text="Payments left for a later run"),
        ),
    ]
