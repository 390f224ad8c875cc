"""PostgreSQL's plans of queries."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction

_TYPES = {datetime: "timestamptz", timedelta: "interval"}


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """Return all nodes of a plan."""
    return [plan, *(node for part in plan.get("Plans", ()) for node in nodes(part))]


def analyse(sql: str) -> list[dict[str, Any]]:
    """Run a query, and return the nodes of its plan."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT json) {sql}")
        (explained,) = cursor.fetchone()[0]
    return nodes(explained["Plan"])


def rows_read(plan: list[dict[str, Any]]) -> int:
    """Return the most rows that a single node has read."""
    return max(int(node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) for node in plan)


def unindexed(sql: str, parameters: Sequence[object]) -> list[str]:
    """Return the tables that a prepared statement may read from end to end, whatever its parameters are.

    PostgreSQL plans a frequent statement once for all parameters. So it uses a partial index only if the
    statement's text implies the index's condition. ``sql`` has ``%s`` for each parameter.
    """
    parts = sql.split("%s")
    numbered = "".join(f"{part}${number}" for number, part in enumerate(parts[:-1], start=1)) + parts[-1]
    types = ", ".join(_TYPES.get(type(parameter), "unknown") for parameter in parameters)
    nothing = ", ".join("NULL" for _ in parameters)
    with transaction.atomic(), connection.cursor() as cursor:
        # With this setting PostgreSQL reads a whole table only if no index can be used.
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        cursor.execute(f"PREPARE looked_at{f'({types})' if types else ''} AS {numbered.replace('%%', '%')}")
        try:
            cursor.execute(f"EXPLAIN (FORMAT json) EXECUTE looked_at{f'({nothing})' if nothing else ''}")
            (explained,) = cursor.fetchone()[0]
        finally:
            cursor.execute("DEALLOCATE looked_at")
    plan = explained["Plan"]
    if plan["Node Type"] == "Limit" and " ORDER BY " not in sql:
        # If PostgreSQL expects many rows, it uses no index to find the first one, although there may be none.
        return [node["Relation Name"] for node in nodes(plan) if "Relation Name" in node]
    return [node["Relation Name"] for node in nodes(plan) if _reads_all(node)]


def _reads_all(node: dict[str, Any]) -> bool:
    if node["Node Type"] == "Seq Scan":
        return True
    # An index without a condition or filter only gives an order, in which the first rows are read.
    return node["Node Type"] in ("Index Scan", "Index Only Scan") and (
        "Index Cond" not in node and "Filter" in node
    )
