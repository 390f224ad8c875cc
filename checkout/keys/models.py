"""The table of the keys in use. It has fingerprints only."""

from django.db import models
from django.utils import timezone


class KeyInUse(models.Model):
    """The newest key with which a process of this installation has begun to sign or to seal."""

    setting = models.CharField(max_length=40, primary_key=True)
    fingerprint = models.CharField(max_length=16)
    since = models.DateTimeField(default=timezone.now)
    earlier = models.JSONField(default=list, help_text="The fingerprints of the keys that it has replaced")

    def __str__(self) -> str:
        return self.setting
