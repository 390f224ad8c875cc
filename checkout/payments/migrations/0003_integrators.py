"""Events, and the fields of payments, operations and merchants for integrators. Events are append-only."""

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

import checkout.payments.models.event
from checkout.database.append_only import refuse_changes


def own_values() -> "models.JSONField[object, object]":
    return models.JSONField(
        blank=True,
        db_default=models.Value({}, models.JSONField()),
        default=dict,
        help_text="The merchant's own names and values",
    )


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0002_search_indexes"),
    ]

    operations = [
        migrations.AddField(
            model_name="merchant",
            name="is_live",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="Its payments are real: its programs use live keys, otherwise test keys",
            ),
        ),
        migrations.AddField(
            model_name="operation",
            name="is_final",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="A capture after which nothing more may be captured",
            ),
        ),
        migrations.AddField(model_name="operation", name="metadata", field=own_values()),
        migrations.AddField(
            model_name="payment",
            name="cancel_url",
            field=models.CharField(blank=True, db_default="", max_length=500),
        ),
        migrations.AddField(
            model_name="payment",
            name="expires_at",
            field=models.DateTimeField(
                blank=True,
                help_text="After this moment no attempt starts, and the unpaid payment expires",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="payment",
            name="locale",
            field=models.CharField(
                blank=True,
                db_default="",
                help_text="The language of the shopper's pages (BCP 47)",
                max_length=35,
            ),
        ),
        migrations.AddField(model_name="payment", name="metadata", field=own_values()),
        migrations.AlterField(
            model_name="fact",
            name="source",
            field=models.CharField(
                choices=[
                    ("shopper", "shopper"),
                    ("merchant", "merchant"),
                    ("saga", "saga"),
                    ("provider", "provider"),
                    ("staff", "staff"),
                    ("clock", "clock"),
                ],
                max_length=10,
            ),
        ),
        migrations.CreateModel(
            name="EventPosition",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("last_pk", models.BigIntegerField(default=0)),
                ("under_way", models.JSONField(default=dict)),
                ("leased_until", models.DateTimeField(null=True)),
                ("version", models.PositiveBigIntegerField(default=0)),
            ],
        ),
        migrations.CreateModel(
            name="Event",
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
                        default=checkout.payments.models.event._event_reference,
                        editable=False,
                        max_length=40,
                        unique=True,
                    ),
                ),
                (
                    "operation",
                    models.CharField(
                        blank=True, help_text="The reference of the operation, if any", max_length=40
                    ),
                ),
                ("type", models.CharField(max_length=40)),
                ("sequence", models.PositiveIntegerField()),
                ("data", models.JSONField()),
                ("changes", models.JSONField(blank=True, default=dict)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "merchant",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="events",
                        to="payments.merchant",
                    ),
                ),
                (
                    "payment",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="events",
                        to="payments.payment",
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
                "indexes": [models.Index(fields=["merchant", "-id"], name="events_of_merchant")],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("payment", "sequence"), name="events_of_a_payment_are_numbered"
                    )
                ],
            },
        ),
        refuse_changes("payments_event"),
    ]
