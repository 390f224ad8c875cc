"""An index of due deliveries that prepared statements can use."""

from django.db import migrations, models

from checkout.database.index_building import BuildIndex


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("webhooks", "0005_events_under_way"),
    ]

    operations = [
        BuildIndex(
            model_name="delivery",
            index=models.Index(
                fields=["endpoint", "next_try_at"],
                name="deliveries_by_next_try",
                condition=models.Q(next_try_at__isnull=False),
            ),
        ),
        migrations.RemoveIndex(model_name="delivery", name="deliveries_due"),
    ]
