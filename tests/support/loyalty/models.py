"""The table of the loyalty service."""

from django.db import models


class Points(models.Model):
    """The points of one attempt to pay. ``holds`` and ``awards`` count the effects, not the commands."""

    attempt = models.CharField(max_length=60, unique=True)
    is_held = models.BooleanField(default=False)
    is_released = models.BooleanField(default=False)
    is_awarded = models.BooleanField(default=False)
    is_taken_back = models.BooleanField(default=False)
    holds = models.IntegerField(default=0)
    awards = models.IntegerField(default=0)

    def __str__(self) -> str:
        return self.attempt
