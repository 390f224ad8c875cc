"""Receipts say if the amount is only reserved, and if they are of a test."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("receipts", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="receipt",
            name="is_reserved",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddField(
            model_name="receipt",
            name="is_test",
            field=models.BooleanField(db_default=False, default=False),
        ),
    ]
