"""The table of the merchants whose data a member of staff sees."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [("auth", "0012_alter_user_first_name_max_length")]

    operations = [
        migrations.CreateModel(
            name="MerchantAccess",
            fields=[
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="merchant_access",
                        serialize=False,
                        to="auth.user",
                    ),
                ),
                (
                    "is_unlimited",
                    models.BooleanField(
                        default=False,
                        help_text="Also those that are added later, and what belongs to none",
                        verbose_name="all merchants",
                    ),
                ),
                (
                    "merchants",
                    models.JSONField(blank=True, default=list, help_text="The codes of the merchants"),
                ),
            ],
            options={"verbose_name_plural": "merchant access"},
        ),
    ]
