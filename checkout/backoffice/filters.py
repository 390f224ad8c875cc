"""Filters that several lists use."""

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList


class HappenedFilter(admin.EmptyFieldListFilter):
    """A filter by a time that is empty until an event has happened: ``sent_at`` becomes "sent: No, Yes"."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.title = str(self.title).removesuffix(" at")

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        """See ``EmptyFieldListFilter``, which calls the choices "Empty" and "Not empty"."""
        for choice in super().choices(changelist):
            display = str(choice["display"]).replace("Not empty", "Yes").replace("Empty", "No")
            yield {**choice, "display": display}
