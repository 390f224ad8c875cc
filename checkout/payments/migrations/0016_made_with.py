"""The link or saved card with which a payment was made, and the time of its first authorisation."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0015_copies_of_requests"),
    ]

    operations = [
        migrations.AddField(
            model_name="payment",
            name="held_since",
            field=models.DateTimeField(blank=True, help_text="When it was authorised first", null=True),
        ),
        migrations.AddField(
            model_name="payment",
            name="made_with",
            field=models.JSONField(
                blank=True,
                db_default=models.Value({}, models.JSONField()),
                default=dict,
                help_text="Its link or saved card",
            ),
        ),
    ]
