"""A migration operation by which PostgreSQL guards requests that a second person decides on, once."""

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
    """Return an operation by which a request waits, is decided, and is carried out, each at most once.

    Nothing else of a row is changed, and no row is deleted. Other databases get no trigger.
    """
    return on_postgresql(ADD.format(table=table), REMOVE.format(table=table))
