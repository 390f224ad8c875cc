"""Indexes for the searches of the back office, built while payments are written.

One that is interrupted is run again.
"""

import django.db.models.fields.json
import django.db.models.functions.text
from django.db import migrations, models

from checkout.database.index_building import BuildIndex


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("payments", "0001_initial"),
    ]

    operations = [
        BuildIndex(
            model_name="attempt",
            index=models.Index(
                django.db.models.fields.json.KeyTextTransform("last4", "card"), name="attempts_by_last_four"
            ),
        ),
        BuildIndex(
            model_name="payment",
            index=models.Index(
                django.db.models.functions.text.Upper("order_reference"), name="payments_by_order_number"
            ),
        ),
        BuildIndex(
            model_name="payment",
            index=models.Index(
                django.db.models.functions.text.Upper("shopper_email"), name="payments_by_email"
            ),
        ),
    ]
