"""The table of the keys in use, which contains only fingerprints."""

from django.db import models
from django.utils import timezone


class KeyInUse(models.Model):
    """The newest key that a process of this installation has used to sign or seal."""

    setting = models.CharField(max_length=40, primary_key=True)
    fingerprint = models.CharField(max_length=16)
    since = models.DateTimeField(default=timezone.now)
    earlier = models.JSONField(default=list, help_text="The fingerprints of the keys that it has replaced")

    def __str__(self) -> str:
        return self.setting
