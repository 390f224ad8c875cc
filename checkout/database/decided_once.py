"""The migration operation for a trigger that guards requests for approval: each is decided only once."""

from django.db.migrations import RunPython

from checkout.database.append_only import on_postgresql

ADD = """
CREATE FUNCTION {table}_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    decision CONSTANT text[] := ARRAY[
        'state', 'outcome', 'decided_by', 'decided_by_user', 'decided_at', 'decision_reason'];
BEGIN
    IF TG_OP = 'INSERT' AND NEW.state = 'waiting' THEN
        RETURN NEW;
    END IF;
    IF TG_OP = 'UPDATE' AND to_jsonb(NEW) - decision = to_jsonb(OLD) - decision THEN
        IF OLD.state = 'waiting' AND NEW.state IN ('approved', 'declined', 'withdrawn') THEN
            RETURN NEW;
        END IF;
        IF OLD.state = 'approved' AND NEW.state = 'done'
            AND NEW.decided_by_user = OLD.decided_by_user AND NEW.decided_at = OLD.decided_at THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'A request is decided once and never changed: a % of % was refused.', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER {table}_is_decided_once BEFORE INSERT OR UPDATE OR DELETE ON {table}
    FOR EACH ROW EXECUTE FUNCTION {table}_refuse_change();
"""

REMOVE = """
DROP TRIGGER {table}_is_decided_once ON {table};
DROP FUNCTION {table}_refuse_change();
"""


def decide_once(table: str) -> RunPython:
    """Return an operation that makes PostgreSQL refuse to decide a request, or to carry it out, twice.

    The trigger also refuses other changes of rows, and deletions. SQLite gets no trigger.
    """
    return on_postgresql(ADD.format(table=table), REMOVE.format(table=table))
