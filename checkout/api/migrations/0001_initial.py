"""The tables of API keys and of the answers to requests that may be repeated."""

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

from checkout.database.pattern_indexes import leave_out_pattern_indexes


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="ApiKey",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "merchant",
                    models.SlugField(help_text="The code of the merchant whose payments the key is for"),
                ),
                ("name", models.CharField(help_text="The program that has the key", max_length=100)),
                (
                    "prefix",
                    models.CharField(editable=False, help_text="The beginning of the secret", max_length=20),
                ),
                ("secret_hash", models.CharField(editable=False, max_length=64, unique=True)),
                ("is_live", models.BooleanField(default=False, editable=False)),
                ("scopes", models.JSONField(default=list, help_text="The actions that are permitted")),
                (
                    "networks",
                    models.JSONField(
                        blank=True, default=list, help_text="The networks that may use the key; empty for any"
                    ),
                ),
                ("api_version", models.CharField(editable=False, max_length=10)),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
                ("revoked_at", models.DateTimeField(blank=True, editable=False, null=True)),
                ("last_used_at", models.DateTimeField(blank=True, editable=False, null=True)),
                ("created_by", models.CharField(editable=False, max_length=150)),
                (
                    "form_key",
                    models.UUIDField(
                        editable=False,
                        help_text="The id of the form that made the key",
                        null=True,
                        unique=True,
                    ),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                (
                    "replaces",
                    models.ForeignKey(
                        blank=True,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="successors",
                        to="api.apikey",
                    ),
                ),
            ],
            options={
                "verbose_name": "API key",
                "ordering": ["-created_at"],
                "permissions": [("manage_apikey", "Can make, rotate and revoke API keys")],
            },
        ),
        migrations.CreateModel(
            name="RateLease",
            fields=[
                (
                    "key",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        serialize=False,
                        to="api.apikey",
                    ),
                ),
                (
                    "window",
                    models.BigIntegerField(help_text="Seconds since 1970, divided by the length of a window"),
                ),
                ("taken", models.PositiveIntegerField(default=0)),
            ],
        ),
        migrations.CreateModel(
            name="IdempotencyRecord",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("merchant", models.SlugField()),
                ("route", models.CharField(help_text="Method and path", max_length=200)),
                ("key", models.CharField(max_length=255)),
                (
                    "fields",
                    models.JSONField(help_text="A hash of each field of the body, to name what differs"),
                ),
                ("status", models.PositiveSmallIntegerField(default=0)),
                ("body", models.TextField(blank=True)),
                ("location", models.CharField(blank=True, max_length=200)),
                (
                    "subject",
                    models.CharField(
                        blank=True, help_text="The payment or operation answered with", max_length=64
                    ),
                ),
                (
                    "held_until",
                    models.DateTimeField(
                        blank=True, help_text="Until then the first request may still be waiting", null=True
                    ),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                "indexes": [models.Index(fields=["subject"], name="answers_by_subject")],
                "constraints": [
                    models.UniqueConstraint(fields=("merchant", "route", "key"), name="one_answer_per_key")
                ],
            },
        ),
        migrations.AddIndex(
            model_name="apikey",
            index=models.Index(fields=["merchant", "-created_at"], name="api_apikey_merchan_3bbe41_idx"),
        ),
        leave_out_pattern_indexes(),
    ]
