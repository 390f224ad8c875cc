"""Cards that shoppers save, and the payments that are charged to them."""

import checkout.payments.models.saved_card
import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

from checkout.database.pattern_indexes import drop_pattern_indexes


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0009_list_indexes"),
    ]

    operations = [
        # The payment first, as live transactions lock a payment before its attempts: a migration that took the
        # tables the other way round could wait for them in a circle.
        migrations.AddField(
            model_name="payment",
            name="customer_reference",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="The merchant's own id of its customer",
                max_length=64,
            ),
        ),
        migrations.AddField(
            model_name="attempt",
            name="merchant_initiated",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="Why a saved card is charged without the shopper",
                max_length=12,
            ),
        ),
        migrations.AddField(
            model_name="attempt",
            name="capture_reference",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="Our name for an included capture",
                max_length=40,
            ),
        ),
        migrations.AddField(
            model_name="attempt",
            name="saves_card",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="The shopper wants the card saved for the next purchase",
            ),
        ),
        migrations.CreateModel(
            name="SavedCard",
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
                        default=checkout.payments.models.saved_card._card_reference,
                        editable=False,
                        max_length=40,
                        unique=True,
                    ),
                ),
                (
                    "customer_reference",
                    models.CharField(help_text="The merchant's own id of its customer", max_length=64),
                ),
                (
                    "shopper",
                    models.CharField(
                        help_text="The name under which the provider knows the customer", max_length=64
                    ),
                ),
                ("sealed_token", models.TextField(blank=True)),
                (
                    "token_hash",
                    models.CharField(
                        help_text="A keyed hash by which the same token is known", max_length=64
                    ),
                ),
                (
                    "scheme_transaction",
                    models.CharField(
                        blank=True,
                        help_text="The card scheme's name of the payment that saved the card",
                        max_length=56,
                    ),
                ),
                ("brand", models.CharField(blank=True, max_length=30)),
                ("last4", models.CharField(max_length=4)),
                ("expiry", models.CharField(help_text="MM/YYYY, as printed on the card", max_length=7)),
                (
                    "valid_until",
                    models.DateField(blank=True, help_text="The last day of the token", null=True),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[("active", "Active"), ("removed", "Removed")],
                        default="active",
                        max_length=10,
                    ),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("removed_at", models.DateTimeField(blank=True, null=True)),
                ("removed_by", models.CharField(blank=True, max_length=150)),
                ("token_to_delete", models.TextField(blank=True, db_default="", default="")),
                ("deletion_due_at", models.DateTimeField(blank=True, null=True)),
                ("deletion_tries", models.PositiveSmallIntegerField(db_default=0, default=0)),
                ("deletion_asked_at", models.DateTimeField(blank=True, null=True)),
                (
                    "deleted_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="When the provider said that it has no such token any more",
                        null=True,
                    ),
                ),
                (
                    "merchant",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="saved_cards",
                        to="payments.merchant",
                    ),
                ),
                (
                    "payment",
                    models.ForeignKey(
                        help_text="With which it was saved last",
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="saved_cards",
                        to="payments.payment",
                    ),
                ),
                (
                    "provider_account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="saved_cards",
                        to="payments.provideraccount",
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
                "permissions": [("remove_savedcard", "Can remove saved cards")],
                "indexes": [
                    models.Index(fields=["customer_reference", "merchant", "-id"], name="cards_of_customer"),
                    models.Index(fields=["token_hash"], name="cards_of_token"),
                    models.Index(
                        condition=models.Q(("deletion_due_at__isnull", False)),
                        fields=["deletion_due_at"],
                        name="tokens_to_delete",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("state", "active")),
                        fields=("provider_account", "token_hash"),
                        name="one_active_card_per_token",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("state", "active"), ("sealed_token", ""), _connector="OR"),
                        name="removed_card_has_no_token",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("state", "removed"), ("token_to_delete", ""), _connector="OR"),
                        name="active_card_keeps_its_token",
                    ),
                ],
            },
        ),
        migrations.AddField(
            model_name="attempt",
            name="saved_card",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="attempts",
                to="payments.savedcard",
            ),
        ),
        drop_pattern_indexes("payments"),
    ]
