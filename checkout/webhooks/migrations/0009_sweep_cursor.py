"""Call the model ``SweepCursor``. Its table keeps its name, so the database does not change."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("webhooks", "0008_pauses_of_notices")]
    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RenameModel("SweepMark", "SweepCursor"),
                migrations.AlterModelTable("SweepCursor", "webhooks_sweepmark"),
            ]
        )
    ]
