"""The tables of stock and reservations."""

import django.utils.timezone
from django.db import migrations, models

from checkout.database.pattern_indexes import leave_out_pattern_indexes


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Reservation",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("payment_reference", models.CharField(max_length=40, unique=True)),
                (
                    "merchant_code",
                    models.CharField(blank=True, help_text="The owner of the reserved stock", max_length=50),
                ),
                (
                    "attempt",
                    models.CharField(
                        blank=True,
                        help_text="The try at paying that it was made for, by its order code",
                        max_length=64,
                    ),
                ),
                ("lines", models.JSONField()),
                (
                    "was_reserved",
                    models.BooleanField(
                        default=False,
                        help_text="It was made; otherwise only its release or cancellation has arrived",
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("reserved", "Reserved"),
                            ("confirmed", "Confirmed"),
                            ("released", "Released"),
                            ("cancelled", "Cancelled"),
                        ],
                        default="reserved",
                        max_length=10,
                    ),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("updated_at", models.DateTimeField(auto_now=True)),
            ],
        ),
        migrations.CreateModel(
            name="StockItem",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("merchant_code", models.SlugField()),
                ("sku", models.CharField(max_length=50)),
                ("name", models.CharField(max_length=200)),
                ("price_minor", models.BigIntegerField()),
                ("currency", models.CharField(max_length=3)),
                ("quantity", models.PositiveIntegerField()),
            ],
            options={
                "ordering": ["merchant_code", "sku"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("merchant_code", "sku"),
                        name="orders_sku_of_a_merchant",
                        violation_error_message="This merchant already has an item with this SKU.",
                    )
                ],
            },
        ),
        leave_out_pattern_indexes(),
    ]
