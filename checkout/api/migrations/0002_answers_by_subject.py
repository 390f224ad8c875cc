"""An index for the answers about a payment or an operation, built while they are written."""

from django.db import migrations, models

from checkout.database.index_building import BuildIndex
from checkout.database.pattern_indexes import drop_pattern_indexes


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("api", "0001_initial"),
    ]

    operations = [
        BuildIndex(
            model_name="idempotencyrecord",
            index=models.Index(fields=["subject"], name="answers_by_subject"),
        ),
        drop_pattern_indexes("api"),
    ]
