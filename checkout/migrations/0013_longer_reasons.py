from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("checkout", "0012_search_indexes"),
    ]

    operations = [
        migrations.AlterField(
            model_name="providernotification",
            name="reason",
            field=models.CharField(blank=True, help_text="Why it was not simply applied", max_length=1000),
        ),
    ]
