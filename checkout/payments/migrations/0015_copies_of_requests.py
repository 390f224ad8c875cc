"""The record of earlier copies of a request, and of the key by which the provider recognises them."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0014_postponed_sums"),
    ]

    operations = [
        migrations.AddField(
            model_name="providercall",
            name="earlier_at",
            field=models.DateTimeField(
                blank=True,
                help_text="When the first of the earlier copies was sent that may yet arrive",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="providercall",
            name="recognised_key",
            field=models.CharField(
                blank=True,
                db_default="",
                help_text="The key by which the provider recognises a copy; empty if it recognises none",
                max_length=100,
            ),
        ),
    ]
