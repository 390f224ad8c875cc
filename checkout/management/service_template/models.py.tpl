"""The table of the ${name} service."""

from django.db import models


class Work(models.Model):
    """The work for one attempt to pay. A row that is undone stays, so that a late command does nothing."""

    attempt = models.CharField(max_length=64, unique=True)
    is_undone = models.BooleanField(default=False)

    def __str__(self) -> str:
        return self.attempt
