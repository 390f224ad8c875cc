"""The plans by which PostgreSQL carries out queries."""

from typing import Any

from django.db import connection


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
