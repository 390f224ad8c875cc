"""The ledger and the facts are guarded by PostgreSQL itself, whatever program writes to them.

Row triggers refuse to change or delete a ledger entry or a fact. A deferred constraint refuses, at commit, a
posting whose entries do not add up to zero in each currency; its entries may come in several statements.
Another database gets no triggers: it is for trying out only.
"""

from typing import Any

from django.db import migrations, models

APPEND_ONLY = ("checkout_ledgerentry", "checkout_fact")

ADD = """
CREATE FUNCTION checkout_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'Rows of % are never changed or deleted: a % of row % was refused.',
        TG_TABLE_NAME, TG_OP, OLD.id USING ERRCODE = 'restrict_violation';
END
$$;

CREATE FUNCTION checkout_require_balance() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM checkout_ledgerentry
        WHERE posting = NEW.posting GROUP BY currency HAVING sum(amount_minor) <> 0
    ) THEN
        RAISE EXCEPTION 'The entries of the posting % do not add up to zero.', NEW.posting
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END
$$;

CREATE CONSTRAINT TRIGGER checkout_a_posting_adds_up_to_zero
    AFTER INSERT ON checkout_ledgerentry DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION checkout_require_balance();
"""

REMOVE = """
DROP TRIGGER checkout_a_posting_adds_up_to_zero ON checkout_ledgerentry;
DROP FUNCTION checkout_require_balance();
DROP FUNCTION checkout_refuse_change();
"""


def guard(apps: Any, schema_editor: Any) -> None:
    """Add the functions and triggers."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(ADD, params=None)
        for table in APPEND_ONLY:
            schema_editor.execute(
                f"CREATE TRIGGER checkout_append_only BEFORE UPDATE OR DELETE ON {table}"
                " FOR EACH ROW EXECUTE FUNCTION checkout_refuse_change()"
            )


def unguard(apps: Any, schema_editor: Any) -> None:
    """Remove them again."""
    if schema_editor.connection.vendor == "postgresql":
        for table in APPEND_ONLY:
            schema_editor.execute(f"DROP TRIGGER checkout_append_only ON {table}")
        schema_editor.execute(REMOVE, params=None)


class Migration(migrations.Migration):
    dependencies = [
        ("checkout", "0009_staff_settle_and_charge_backs"),
    ]

    operations = [
        migrations.AlterField(
            model_name="difference",
            name="kind",
            field=models.CharField(
                choices=[
                    ("authorised", "Authorised"),
                    ("captured", "Captured"),
                    ("refunded", "Refunded"),
                    ("charged_back", "Charged Back"),
                    ("ledger_captured", "Ledger Captured"),
                    ("ledger_refunded", "Ledger Refunded"),
                    ("ledger_charged_back", "Ledger Charged Back"),
                    ("ledger_in_process", "Ledger In Process"),
                    ("currency", "Currency"),
                    ("order", "Order"),
                ],
                help_text="What differs",
                max_length=30,
            ),
        ),
        migrations.RunPython(guard, unguard),
    ]
