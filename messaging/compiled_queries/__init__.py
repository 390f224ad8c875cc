"""Statements whose SQL is made once, for those that every message needs.

Django makes the SQL of each query anew, which takes the processor several times as long as the database's
driver needs to run it. Here it is made once per process. Everything else is Django's: what is read are its
models, and what is asked is written as its queries.
"""

from messaging.compiled_queries.reading import Compiled
from messaging.compiled_queries.writing import insert, insert_unless_known, update

__all__ = ["Compiled", "insert", "insert_unless_known", "update"]
