"""The ledger's table, which PostgreSQL guards whatever program writes to it.

A row trigger refuses to change or delete an entry. A deferred constraint refuses, at commit, a posting whose
entries do not add up to zero in each currency; its entries may come in several statements.
"""

import django.utils.timezone
from django.db import migrations, models


from checkout.database.append_only import on_postgresql, refuse_changes
from checkout.database.pattern_indexes import leave_out_pattern_indexes

REQUIRE_BALANCE = """
CREATE FUNCTION ledger_require_balance() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM ledger_ledgerentry
        WHERE posting = NEW.posting GROUP BY currency HAVING sum(amount_minor) <> 0
    ) THEN
        RAISE EXCEPTION 'The entries of the posting % do not add up to zero.', NEW.posting
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END
$$;

CREATE CONSTRAINT TRIGGER ledger_a_posting_adds_up_to_zero
    AFTER INSERT ON ledger_ledgerentry DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION ledger_require_balance();
"""

FORGET_BALANCE = """
DROP TRIGGER ledger_a_posting_adds_up_to_zero ON ledger_ledgerentry;
DROP FUNCTION ledger_require_balance();
"""


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="LedgerEntry",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("posting", models.CharField(help_text="What makes posting twice harmless", max_length=120)),
                ("account", models.CharField(max_length=60)),
                ("payment_reference", models.CharField(db_index=True, max_length=40)),
                ("amount_minor", models.BigIntegerField()),
                ("currency", models.CharField(max_length=3)),
                ("merchant_code", models.CharField(default="", max_length=50, verbose_name="merchant")),
                ("posted_at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                "verbose_name_plural": "ledger entries",
                "ordering": ["posted_at", "pk"],
                "constraints": [
                    models.UniqueConstraint(fields=("posting", "account"), name="a_posting_is_made_once")
                ],
                "indexes": [
                    models.Index(fields=["posted_at"], name="ledger_entry_by_time"),
                    models.Index(fields=["merchant_code", "id"], name="ledger_entry_by_merchant"),
                ],
            },
        ),
        migrations.CreateModel(
            name="DailyTotal",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("day", models.DateField()),
                ("merchant_code", models.CharField(max_length=50, verbose_name="merchant")),
                ("currency", models.CharField(max_length=3)),
                ("kind", models.CharField(max_length=30)),
                ("postings", models.PositiveIntegerField()),
                (
                    "minor",
                    models.BigIntegerField(
                        help_text="The sum of the amounts, in minor units; never negative"
                    ),
                ),
            ],
            options={
                "ordering": ["-day", "merchant_code", "currency", "kind"],
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("day", "merchant_code", "currency", "kind"),
                        name="a_day_has_one_total_of_each_kind",
                    )
                ],
            },
        ),
        refuse_changes("ledger_ledgerentry"),
        on_postgresql(REQUIRE_BALANCE, FORGET_BALANCE),
        leave_out_pattern_indexes(),
    ]
