"""The end of each wait, after which a waiter does not count any more."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0007_forgetting"),
    ]

    operations = [
        migrations.AddField(
            model_name="waiter",
            name="ends_at",
            field=models.DateTimeField(
                blank=True,
                help_text="The end of the wait; unknown if written by an earlier release",
                null=True,
            ),
        ),
    ]
