"""The mark on rows that staff have dealt with."""

from django.db import models

from checkout.privacy.scrubbing import NOTE_LENGTH


class StaffHandling(models.Model):
    """The time, the user, and a note on what was done, or why nothing had to be done."""

    dealt_with_at = models.DateTimeField(null=True, blank=True)
    dealt_with_by = models.CharField(max_length=150, blank=True, default="")
    dealt_with_note = models.CharField(max_length=NOTE_LENGTH, blank=True, default="")

    class Meta:
        abstract = True
