"""The table of the keys in use."""

import django.utils.timezone
from django.db import migrations, models

from checkout.database.pattern_indexes import leave_out_pattern_indexes


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="KeyInUse",
            fields=[
                ("setting", models.CharField(max_length=40, primary_key=True, serialize=False)),
                ("fingerprint", models.CharField(max_length=16)),
                ("since", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "earlier",
                    models.JSONField(
                        default=list, help_text="The fingerprints of the keys that it has replaced"
                    ),
                ),
            ],
        ),
        leave_out_pattern_indexes(),
    ]
