"""Links that merchants send to shoppers."""

import checkout.payments.models.link
import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0005_waiter_operation"),
    ]

    operations = [
        migrations.CreateModel(
            name="PaymentLink",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "reference",
                    models.CharField(
                        default=checkout.payments.models.link._link_reference,
                        editable=False,
                        max_length=40,
                        unique=True,
                    ),
                ),
                (
                    "token",
                    models.CharField(
                        default=checkout.payments.models.link._token,
                        editable=False,
                        max_length=40,
                        unique=True,
                    ),
                ),
                ("order_reference", models.CharField(max_length=100)),
                ("amount_minor", models.BigIntegerField()),
                ("currency", models.CharField(max_length=3)),
                ("description", models.CharField(max_length=50)),
                ("return_url", models.CharField(blank=True, max_length=500)),
                ("metadata", models.JSONField(blank=True, default=dict)),
                ("is_reusable", models.BooleanField(default=False)),
                (
                    "openings",
                    models.PositiveIntegerField(default=0, help_text="The payments that it has made"),
                ),
                (
                    "last_number",
                    models.PositiveIntegerField(
                        default=0,
                        editable=False,
                        help_text="The number in the last order reference that it has tried",
                    ),
                ),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
                ("disabled_at", models.DateTimeField(blank=True, null=True)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "merchant",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="links",
                        to="payments.merchant",
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
                "permissions": [("disable_paymentlink", "Can disable payment links")],
                "indexes": [
                    models.Index(fields=["merchant", "-id"], name="links_of_merchant"),
                    models.Index(fields=["order_reference"], name="links_by_order_number"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("is_reusable", True)),
                        fields=("merchant", "order_reference"),
                        name="a_reusable_link_has_its_numbers",
                    ),
                ],
            },
        ),
    ]
