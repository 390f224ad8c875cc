"""The table of the views of back-office lists, and of their columns, that staff have saved."""

from typing import ClassVar

from django.db import models


class StaffView(models.Model):
    """The filters, search and order of a list under a name, for the user who has saved them.

    The row without a name has the ``columns`` that the user has chosen for the list. ``user`` is the user's
    key: the tables of users are elsewhere.
    """

    user = models.PositiveBigIntegerField()
    table = models.CharField(max_length=60, help_text="The list's table, as in payments.payment")
    name = models.CharField(max_length=40, blank=True)
    query = models.CharField(max_length=1_000, blank=True, help_text="The list's address behind ?")
    columns = models.JSONField(default=list, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "table", "name"], name="a_view_has_its_name_once")
        ]
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name or f"columns of {self.table}"
