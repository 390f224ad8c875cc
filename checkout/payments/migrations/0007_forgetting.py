"""Old events may be deleted, and the personal data of a payment erased, by a transaction that says so.

The search for old rows remembers its place.
"""

import django.utils.timezone
from django.db import migrations, models

from checkout.database.append_only import let_be_forgotten


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0006_payment_links"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="payment",
            options={
                "ordering": ["-created_at"],
                "permissions": [
                    ("request_capture", "Can capture payments"),
                    ("request_void", "Can void payments"),
                    ("request_refund", "Can refund payments"),
                    ("cancel_payment", "Can cancel payments that were not paid"),
                    ("review_payment", "Can have the provider asked about conflicted payments"),
                    ("erase_payment", "Can erase the personal data of payments"),
                ],
            },
        ),
        migrations.CreateModel(
            name="RetentionWalk",
            fields=[
                ("table", models.CharField(max_length=63, primary_key=True, serialize=False)),
                ("last_pk", models.BigIntegerField(default=0)),
                ("began_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("is_at_end", models.BooleanField(default=False)),
            ],
        ),
        let_be_forgotten("payments_event"),
        let_be_forgotten("payments_fact"),
    ]
