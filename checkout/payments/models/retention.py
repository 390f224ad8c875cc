"""The positions up to which timers have read tables."""

from django.db import models
from django.utils import timezone


class RetentionWalk(models.Model):
    """A walk through a table in batches: its position and its start time (``timers/table_walk.py``).

    The walks that count figures and totals have the names of the tables that they fill. They read the events,
    and the entries of the ledger.
    """

    table = models.CharField(max_length=63, primary_key=True)
    last_pk = models.BigIntegerField(default=0)
    began_at = models.DateTimeField(default=timezone.now)
    is_at_end = models.BooleanField(default=False)

    def __str__(self) -> str:
        return f"{self.table} {self.last_pk}"
