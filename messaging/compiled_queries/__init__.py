"""Queries that are compiled to SQL once per process, for the statements that every message needs.

Django compiles a query each time it is used, which takes several times as much processor time as running it
with the database driver. Everything else remains Django's: the rows become its models, and the queries are
written as its querysets.
"""

from messaging.compiled_queries.batch import (
    batch,
    delete_in_batch,
    insert_in_batch,
    update_in_batch,
    write_collected,
)
from messaging.compiled_queries.reading import Compiled
from messaging.compiled_queries.writing import insert, insert_unless_known, update

__all__ = [
    "Compiled",
    "batch",
    "delete_in_batch",
    "insert",
    "insert_in_batch",
    "insert_unless_known",
    "update",
    "update_in_batch",
    "write_collected",
]
