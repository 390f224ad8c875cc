"""The permission to disable payment links."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0009_list_indexes"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="paymentlink",
            options={
                "ordering": ["-id"],
                "permissions": [("disable_paymentlink", "Can disable payment links")],
            },
        ),
    ]
