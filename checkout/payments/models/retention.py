"""The places up to which timers have read tables."""

from django.db import models
from django.utils import timezone


class RetentionWalk(models.Model):
    """A walk through a table in batches: its position and its beginning (``timers/table_walk.py``).

    The walk that counts figures has the name of their table, and walks through the events.
    """

    table = models.CharField(max_length=63, primary_key=True)
    last_pk = models.BigIntegerField(default=0)
    began_at = models.DateTimeField(default=timezone.now)
    is_at_end = models.BooleanField(default=False)

    def __str__(self) -> str:
        return f"{self.table} {self.last_pk}"
