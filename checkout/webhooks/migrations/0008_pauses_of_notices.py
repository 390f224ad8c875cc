"""A notice that may not have been sent is sent again only after a pause."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("webhooks", "0007_secrets_in_their_order")]

    operations = [
        migrations.AddField(
            model_name="webhookendpoint",
            name="notice_after",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
    ]
