"""Fill a database as after a year of purchases, by copying the rows of one purchase with new references.

The copies are spread over the year that ends with the purchase. Because of retention, messages are copied
into the last three months only, the oldest of which is to be dropped, and events into the last four.
"""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta

import psycopg
from psycopg import sql

from messaging.outbox.month import Month

# Tables of an installation, which a purchase does not fill.
NOT_COPIED = frozenset(
    {
        "orders_stockitem",
        "payments_eventposition",
        "payments_merchant",
        "payments_provideraccount",
        "payments_reconciliation",
        "payments_retentionwalk",
        "risk_blockedvalue",
        "webhooks_sweepmark",
    }
)
# The share of the copies that have rows in these tables: the latest ones.
MESSAGES = ("payments_inboxmessage", "payments_outboxmessage")
SHARES = {**dict.fromkeys(MESSAGES, 1 / 4), "payments_event": 1 / 3}
# More than the rows of one purchase in any table, so that the ids of copies do not collide.
STRIDE = 1_000

_TABLES = """
    SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
    AND NOT relispartition AND relname ~ '^(payments|orders|risk|ledger|receipts|webhooks)_' ORDER BY relname
"""
_COLUMNS = """
    SELECT attname, atttypid::regtype::text, attidentity <> '' FROM pg_attribute
    WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum
"""
_REFERENCES = """
    SELECT attname, confrelid::regclass::text FROM pg_constraint
    JOIN pg_attribute ON attrelid = conrelid AND attnum = conkey[1]
    WHERE contype = 'f' AND conrelid = %s::regclass
"""
_INDEXED = """
    SELECT DISTINCT attname FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY(indkey)
    WHERE indrelid = %s::regclass
"""
# Statements that drop and make indexes, except those of primary keys, which foreign keys need.
_UNIQUE = """
    SELECT format('ALTER TABLE %%I DROP CONSTRAINT %%I', relname, conname),
        format('ALTER TABLE %%I ADD CONSTRAINT %%I %%s', relname, conname, pg_get_constraintdef(own.oid))
    FROM pg_constraint own JOIN pg_class ON pg_class.oid = conrelid
    WHERE contype = 'u' AND conrelid = %s::regclass
"""
_INDEXES = """
    SELECT format('DROP INDEX %%s', indexrelid::regclass), pg_get_indexdef(indexrelid) FROM pg_index
    WHERE indrelid = %s::regclass AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
"""
# The ids of messages are UUIDs of version 7, which begin with milliseconds. The ids of copies begin with the
# copies' time.
_FUNCTIONS = """
    CREATE FUNCTION pg_temp.copied_time(original timestamptz, copy bigint, copies bigint)
    RETURNS timestamptz LANGUAGE sql STABLE AS $$
        SELECT original - make_interval(secs => 365 * 86400.0 * (copies - copy + 1) / copies)
    $$;
    CREATE FUNCTION pg_temp.copied_id(original text, copy bigint, copies bigint)
    RETURNS text LANGUAGE sql STABLE AS $$
        SELECT left(digits, 8) || '-' || substr(digits, 9) || '-7' || substr(random, 1, 3) || '-8'
            || substr(random, 4, 3) || '-' || substr(random, 7, 12)
        FROM md5(original || copy) AS random, lpad(to_hex(
            ('x' || lpad(replace(left(original, 13), '-', ''), 16, '0'))::bit(64)::bigint
            - 365 * 86400000::bigint * (copies - copy + 1) / copies), 12, '0') AS digits
    $$;
    CREATE FUNCTION pg_temp.copied_text(original text, copy bigint, copies bigint)
    RETURNS text LANGUAGE sql STABLE AS $$
        -- Values with digits are references and message ids; states and kinds have none.
        SELECT CASE WHEN original !~ '[0-9]' THEN original
            WHEN original ~ '^[0-9a-f]{8}-[0-9a-f]{4}-7' THEN pg_temp.copied_id(original, copy, copies)
            WHEN length(original) < 20 THEN original || ':' || copy
            ELSE left(md5(original || copy) || md5(copy || original), length(original)) END
    $$;
"""


def fill(database_url: str, copies: int) -> None:
    """Copy the rows of one purchase so many times, and update the planner's statistics."""
    with psycopg.connect(database_url) as connection:
        # The copies refer to each other as the originals do, so foreign keys need not be checked.
        connection.execute("SET session_replication_role = replica")
        connection.execute("SET maintenance_work_mem = '512MB'")
        connection.execute(_FUNCTIONS.encode())
        tables = [name for (name,) in connection.execute(_TABLES) if name not in NOT_COPIED]
        for table in MESSAGES:
            _make_past_months(connection, table)
        for table in tables:
            _copy(connection, table, copies, set(tables))
        # The events of the copies have been published.
        connection.execute("UPDATE payments_eventposition SET last_pk = (SELECT max(id) FROM payments_event)")
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")


def _make_past_months(connection: psycopg.Connection, table: str) -> None:
    """Make the partitions of the three months before this one."""
    end = Month.of(datetime.now(UTC))
    for _ in range(3):
        begin = Month.of(end.begin - timedelta(days=1))
        connection.execute(
            sql.SQL("CREATE TABLE {} PARTITION OF {} FOR VALUES FROM ({}) TO ({})").format(
                sql.Identifier(f"{table}_{begin}"),
                sql.Identifier(table),
                sql.Literal(begin.first_id),
                sql.Literal(end.first_id),
            )
        )
        end = begin


def _copy(connection: psycopg.Connection, table: str, copies: int, copied: Collection[str]) -> None:
    references: dict[str, str] = dict(connection.execute(_REFERENCES, [table]).fetchall())
    indexed = {name for (name,) in connection.execute(_INDEXED, [table])}
    columns = {
        name: _value(name, kind, is_number or references.get(name, "") in copied, name in indexed)
        for name, kind, is_number in connection.execute(_COLUMNS, [table]).fetchall()
    }
    indexes = [
        index for query in (_UNIQUE, _INDEXES) for index in connection.execute(query, [table]).fetchall()
    ]
    for drop, _ in indexes:
        connection.execute(drop)
    first = copies - round(copies * SHARES.get(table, 1)) + 1
    connection.execute(
        _insert(table, columns), {"first": first, "copies": copies, "last": copies, "stride": STRIDE}
    )
    for _, make in indexes:
        # The definition of an index on a divided table leaves its partitions out.
        connection.execute(make.replace(" ON ONLY ", " ON "))
    if "id" in columns:
        connection.execute(
            sql.SQL(
                "SELECT setval(pg_get_serial_sequence(%s, 'id'), coalesce(max(id), 0) + 1) FROM {}"
            ).format(sql.Identifier(table)),
            [table],
        )


def _insert(table: str, columns: Mapping[str, sql.Composable]) -> sql.Composed:
    return sql.SQL(
        "INSERT INTO {table} ({names}) OVERRIDING SYSTEM VALUE SELECT {values}"
        " FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS copies(copy_number)"
        " CROSS JOIN LATERAL (SELECT * FROM {table} OFFSET 0) AS original"
    ).format(
        table=sql.Identifier(table),
        names=sql.SQL(", ").join(map(sql.Identifier, columns)),
        values=sql.SQL(", ").join(columns.values()),
    )


def _value(name: str, kind: str, is_number: bool, is_indexed: bool) -> sql.Composable:
    column = sql.SQL("original.{}").format(sql.Identifier(name))
    if is_number:
        return sql.SQL("{} + copy_number * %(stride)s").format(column)
    if kind == "uuid":
        return sql.SQL("md5({}::text || copy_number)::uuid").format(column)
    if kind == "timestamp with time zone":
        return sql.SQL("pg_temp.copied_time({}, copy_number, %(copies)s)").format(column)
    if is_indexed and kind in ("character varying", "text"):
        return sql.SQL("pg_temp.copied_text({}, copy_number, %(copies)s)").format(column)
    return column
