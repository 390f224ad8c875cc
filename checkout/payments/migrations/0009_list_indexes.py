"""Indexes for a merchant's payments by state and events by type, built while they are written."""

from django.db import migrations, models

from checkout.database.index_building import BuildIndex
from checkout.database.pattern_indexes import drop_pattern_indexes


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("payments", "0008_waiter_ends_at"),
    ]

    operations = [
        BuildIndex(
            model_name="payment",
            index=models.Index(fields=["merchant", "state", "-id"], name="payments_by_state"),
        ),
        BuildIndex(
            model_name="event",
            index=models.Index(fields=["merchant", "type", "-id"], name="events_by_type"),
        ),
        drop_pattern_indexes("payments"),
    ]
