"""The tables of risk assessments and blocked values."""

import django.utils.timezone
from django.db import migrations, models

from checkout.database.pattern_indexes import leave_out_pattern_indexes


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="BlockedValue",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[("email", "Email"), ("ip_address", "Ip Address")], max_length=12
                    ),
                ),
                ("value", models.CharField(max_length=254)),
                ("reason", models.CharField(blank=True, max_length=200)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("kind", "value"), name="a_value_is_blocked_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="RiskAssessment",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("payment_reference", models.CharField(db_index=True, max_length=40)),
                ("email_hash", models.CharField(blank=True, max_length=64)),
                ("ip_address", models.GenericIPAddressField(blank=True, null=True)),
                ("amount_minor", models.BigIntegerField()),
                ("currency", models.CharField(max_length=3)),
                ("decision", models.CharField(max_length=10)),
                ("reasons", models.JSONField(default=list)),
                ("assessed_at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                "ordering": ["-assessed_at"],
                "indexes": [
                    models.Index(fields=["email_hash", "assessed_at"], name="risk_riskas_email_h_117b3a_idx"),
                    models.Index(fields=["ip_address", "assessed_at"], name="risk_riskas_ip_addr_7fa9a7_idx"),
                ],
            },
        ),
        leave_out_pattern_indexes(),
    ]
