"""The plans by which PostgreSQL carries out queries."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction

_TYPES = {datetime: "timestamptz", timedelta: "interval"}


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """Return all nodes of a plan."""
    return [plan, *(node for part in plan.get("Plans", ()) for node in nodes(part))]


def analyse(sql: str) -> list[dict[str, Any]]:
    """Carry out a query, and return the nodes of its plan."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT json) {sql}")
        (explained,) = cursor.fetchone()[0]
    return nodes(explained["Plan"])


def rows_read(plan: list[dict[str, Any]]) -> int:
    """Return the most rows that one node has looked at."""
    return max(int(node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) for node in plan)


def unindexed(sql: str, parameters: Sequence[object]) -> list[str]:
    """Return the tables that a prepared statement may read from end to end, whatever its parameters are.

    PostgreSQL plans a statement that is executed often once for any parameters. So an index with a condition
    serves it only if the condition follows from its text. ``sql`` has ``%s`` for each of the parameters.
    """
    parts = sql.split("%s")
    numbered = "".join(f"{part}${number}" for number, part in enumerate(parts[:-1], start=1)) + parts[-1]
    types = ", ".join(_TYPES.get(type(parameter), "unknown") for parameter in parameters)
    nothing = ", ".join("NULL" for _ in parameters)
    with transaction.atomic(), connection.cursor() as cursor:
        # PostgreSQL then reads a whole table only if no index can be used.
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
        # It expects many rows, of which it would soon find the first, so it uses no index if there are none.
        return [node["Relation Name"] for node in nodes(plan) if "Relation Name" in node]
    return [node["Relation Name"] for node in nodes(plan) if _reads_all(node)]


def _reads_all(node: dict[str, Any]) -> bool:
    if node["Node Type"] == "Seq Scan":
        return True
    # Without a condition and a filter, an index gives an order, of which the first rows are read.
    return node["Node Type"] in ("Index Scan", "Index Only Scan") and (
        "Index Cond" not in node and "Filter" in node
    )
