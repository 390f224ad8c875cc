"""Fill a database as after many purchases, by copying the rows of one purchase with new references."""

from collections.abc import Collection, Mapping

import psycopg
from psycopg import sql

# Tables of an installation, not of a purchase.
NOT_COPIED = frozenset(
    {"payments_merchant", "payments_provideraccount", "orders_stockitem", "risk_blockedvalue"}
)
# More than the rows of one purchase in any table, so that the ids of copies do not collide.
STRIDE = 1_000

_TABLES = """
    SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
    AND relname LIKE 'checkout\\_%' ORDER BY relname
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


def fill(database_url: str, copies: int) -> None:
    """Copy the rows of one purchase so many times, and update the planner's statistics."""
    with psycopg.connect(database_url) as connection:
        tables = [name for (name,) in connection.execute(_TABLES) if name not in NOT_COPIED]
        for table in tables:
            _copy(connection, table, copies, set(tables))
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")


def _copy(connection: psycopg.Connection, table: str, copies: int, copied: Collection[str]) -> None:
    references: dict[str, str] = dict(connection.execute(_REFERENCES, [table]).fetchall())
    indexed = {name for (name,) in connection.execute(_INDEXED, [table])}
    columns = {
        name: _value(name, kind, is_number or references.get(name, "") in copied, name in indexed)
        for name, kind, is_number in connection.execute(_COLUMNS, [table]).fetchall()
    }
    connection.execute(_insert(table, columns), {"copies": copies, "stride": STRIDE})
    if "id" in columns:
        connection.execute(
            sql.SQL(
                "SELECT setval(pg_get_serial_sequence(%s, 'id'), coalesce(max(id), 0) + 1) FROM {}"
            ).format(sql.Identifier(table)),
            [table],
        )


def _insert(table: str, columns: Mapping[str, sql.Composable]) -> sql.Composed:
    return sql.SQL(
        "INSERT INTO {table} ({names}) OVERRIDING SYSTEM VALUE"
        " SELECT {values} FROM {table} AS original, generate_series(1, %(copies)s) AS copies(copy_number)"
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
    if is_indexed and kind in ("character varying", "text"):
        # Values with digits are references and message ids; states and kinds have none.
        return sql.SQL(
            "CASE WHEN {0} !~ '[0-9]' THEN {0} WHEN length({0}) < 20 THEN {0} || ':' || copy_number"
            " ELSE left(md5({0} || copy_number) || md5(copy_number || {0}), length({0})) END"
        ).format(column)
    return column
