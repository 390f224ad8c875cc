"""Indexes for a merchant's list of payments and for payments that expire, built while they are written."""

from django.db import migrations, models

from checkout.database.index_building import BuildIndex


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("payments", "0003_integrators"),
    ]

    operations = [
        BuildIndex(
            model_name="payment",
            index=models.Index(fields=["merchant", "-id"], name="payments_of_merchant"),
        ),
        BuildIndex(
            model_name="payment",
            index=models.Index(
                condition=models.Q(("expires_at__isnull", False), ("state__in", ["open", "refused"])),
                fields=["expires_at"],
                name="payments_to_expire",
            ),
        ),
    ]
