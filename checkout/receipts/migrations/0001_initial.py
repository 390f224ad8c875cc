"""The tables of receipts."""

import django.utils.timezone
from django.db import migrations, models

from checkout.database.pattern_indexes import leave_out_pattern_indexes


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Receipt",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("payment_reference", models.CharField(max_length=40)),
                (
                    "refund",
                    models.CharField(
                        blank=True,
                        default="",
                        help_text="Of what refund it tells; blank for the payment",
                        max_length=40,
                    ),
                ),
                ("email", models.EmailField(max_length=254)),
                ("merchant", models.CharField(max_length=200)),
                ("order_reference", models.CharField(max_length=100)),
                ("description", models.CharField(blank=True, max_length=50)),
                ("amount_minor", models.BigIntegerField()),
                ("currency", models.CharField(max_length=3)),
                ("locale", models.CharField(blank=True, default="", max_length=35)),
                ("minutes_behind_utc", models.SmallIntegerField(blank=True, null=True)),
                (
                    "lines",
                    models.JSONField(
                        blank=True, default=list, help_text="What was ordered: sku and quantity"
                    ),
                ),
                ("card_brand", models.CharField(blank=True, default="", max_length=40)),
                ("card_last4", models.CharField(blank=True, default="", max_length=4)),
                ("support_email", models.CharField(blank=True, default="", max_length=254)),
                ("support_phone", models.CharField(blank=True, default="", max_length=30)),
                ("logo_url", models.CharField(blank=True, default="", max_length=600)),
                ("is_reserved", models.BooleanField(default=False)),
                ("is_test", models.BooleanField(default=False)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("sent_at", models.DateTimeField(blank=True, null=True)),
                ("next_try_at", models.DateTimeField(blank=True, null=True)),
                ("failures", models.PositiveSmallIntegerField(default=0)),
                (
                    "resendings",
                    models.PositiveSmallIntegerField(
                        default=0, help_text="How often it was sent again on request"
                    ),
                ),
            ],
            options={
                "permissions": [("resend_receipt", "Can send receipts again")],
                "ordering": ["-created_at"],
                "constraints": [
                    models.UniqueConstraint(fields=("payment_reference", "refund"), name="one_receipt_each")
                ],
                "indexes": [
                    models.Index(
                        condition=models.Q(("next_try_at__isnull", False)),
                        fields=["next_try_at"],
                        name="receipt_owed",
                    )
                ],
            },
        ),
        leave_out_pattern_indexes(),
    ]
