"""The tables of webhooks."""

import checkout.webhooks.models
import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

from checkout.database.pattern_indexes import leave_out_pattern_indexes


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Delivery",
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
                        default=checkout.webhooks.models._delivery_reference,
                        editable=False,
                        max_length=40,
                        unique=True,
                    ),
                ),
                ("event", models.CharField(max_length=40)),
                ("event_type", models.CharField(max_length=60)),
                ("payment", models.CharField(blank=True, db_index=True, max_length=40)),
                ("content", models.JSONField(blank=True, null=True)),
                (
                    "state",
                    models.CharField(
                        choices=[("pending", "Pending"), ("delivered", "Delivered"), ("failed", "given up")],
                        default="pending",
                        max_length=10,
                    ),
                ),
                ("tries", models.PositiveSmallIntegerField(default=0)),
                ("next_try_at", models.DateTimeField(blank=True, null=True)),
                ("lease", models.CharField(blank=True, max_length=32)),
                ("last_result", models.CharField(blank=True, max_length=60)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "verbose_name_plural": "deliveries",
                "ordering": ["-created_at", "-pk"],
                "permissions": [("resend_delivery", "Can send webhooks again")],
            },
        ),
        migrations.CreateModel(
            name="SweepCursor",
            options={"db_table": "webhooks_sweepmark"},
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("event_pk", models.BigIntegerField(default=0)),
                ("seen_pk", models.BigIntegerField(default=0)),
                ("seen_at", models.DateTimeField(blank=True, null=True)),
            ],
        ),
        migrations.CreateModel(
            name="WebhookEndpoint",
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
                        default=checkout.webhooks.models._endpoint_reference,
                        editable=False,
                        max_length=40,
                        unique=True,
                    ),
                ),
                ("merchant", models.CharField(db_index=True, help_text="The merchant's code", max_length=50)),
                ("url", models.CharField(max_length=500)),
                ("description", models.CharField(blank=True, max_length=200)),
                (
                    "contact_email",
                    models.EmailField(
                        blank=True,
                        help_text="The address for a warning before the endpoint is disabled, beside the operators",
                        max_length=254,
                    ),
                ),
                (
                    "event_types",
                    models.JSONField(
                        blank=True, default=list, help_text="An empty list stands for all types"
                    ),
                ),
                (
                    "payload",
                    models.CharField(
                        choices=[
                            ("full", "full: the object and its changes"),
                            ("thin", "thin: only the event's type and references"),
                        ],
                        default="full",
                        max_length=4,
                    ),
                ),
                (
                    "api_version",
                    models.CharField(
                        help_text="The API version of the events that are sent",
                        max_length=20,
                        verbose_name="API version",
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[("enabled", "Enabled"), ("disabled", "Disabled"), ("deleted", "Deleted")],
                        default="enabled",
                        max_length=10,
                    ),
                ),
                (
                    "state_reason",
                    models.CharField(blank=True, help_text="The reason for the state", max_length=200),
                ),
                ("state_since", models.DateTimeField(default=django.utils.timezone.now)),
                ("last_event_before_it", models.BigIntegerField(default=0, editable=False)),
                ("last_event_before_state", models.BigIntegerField(default=0, editable=False)),
                (
                    "events_under_way",
                    models.JSONField(
                        blank=True,
                        default=list,
                        editable=False,
                    ),
                ),
                ("failures", models.PositiveIntegerField(default=0)),
                ("failing_since", models.DateTimeField(blank=True, null=True)),
                ("paused_until", models.DateTimeField(blank=True, null=True)),
                ("warned_at", models.DateTimeField(blank=True, null=True)),
                (
                    "owed_notice",
                    models.CharField(
                        blank=True,
                        choices=[("", "none"), ("failing", "Failing"), ("disabled", "Disabled")],
                        default="",
                        max_length=10,
                    ),
                ),
                ("notice_after", models.DateTimeField(blank=True, editable=False, null=True)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                "ordering": ["-created_at"],
                "permissions": [
                    ("ping_webhookendpoint", "Can send test events to webhook endpoints"),
                    ("enable_webhookendpoint", "Can enable webhook endpoints"),
                    ("disable_webhookendpoint", "Can disable webhook endpoints"),
                    ("rotate_webhookendpoint", "Can make new secrets of webhook endpoints"),
                    (
                        "resend_webhookendpoint",
                        "Can send the events of a whole day to a webhook endpoint again",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="DeliveryAttempt",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("at", models.DateTimeField()),
                ("url", models.CharField(max_length=500)),
                ("status", models.PositiveSmallIntegerField(blank=True, null=True)),
                ("error", models.CharField(blank=True, max_length=30)),
                ("detail", models.CharField(blank=True, max_length=200)),
                ("duration_ms", models.PositiveIntegerField(default=0)),
                (
                    "response",
                    models.TextField(blank=True, help_text="The beginning of the response, scrubbed"),
                ),
                (
                    "delivery",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="attempts",
                        to="webhooks.delivery",
                    ),
                ),
            ],
            options={
                "ordering": ["-at", "-pk"],
            },
        ),
        migrations.CreateModel(
            name="SigningSecret",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("sealed_hmac", models.CharField(max_length=300)),
                ("sealed_private_key", models.CharField(max_length=300)),
                (
                    "public_key",
                    models.CharField(help_text="The key that verifies v1a signatures", max_length=60),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "expires_at",
                    models.DateTimeField(
                        blank=True, help_text="The end of the overlap with a newer secret", null=True
                    ),
                ),
                (
                    "endpoint",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="secrets",
                        to="webhooks.webhookendpoint",
                    ),
                ),
            ],
            options={
                "ordering": ["-pk"],
            },
        ),
        migrations.AddField(
            model_name="delivery",
            name="endpoint",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="deliveries",
                to="webhooks.webhookendpoint",
            ),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(("next_try_at__isnull", False)),
                fields=["endpoint", "next_try_at"],
                name="deliveries_by_next_try",
            ),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(fields=["endpoint", "-created_at"], name="deliveries_by_endpoint"),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(fields=["event"], name="deliveries_by_event"),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(fields=["ended_at"], name="deliveries_by_end"),
        ),
        migrations.AddConstraint(
            model_name="delivery",
            constraint=models.UniqueConstraint(fields=("endpoint", "event"), name="an_event_is_owed_once"),
        ),
        leave_out_pattern_indexes(),
    ]
