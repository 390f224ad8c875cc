"""The limits of a search in the back office, so that one search does not occupy the database."""

from typing import Any

from django.contrib import messages
from django.contrib.admin.views.main import ChangeList
from django.db import OperationalError, connections, transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.text import capfirst

MOST_WORDS = 10
MOST_SECONDS = 2
# PostgreSQL's code for a query that was cancelled because of its time limit (query_canceled).
_ENDED = "57014"


class BoundedList(ChangeList):
    """A list whose searches have few words, and end after a few seconds.

    Each word may need queries of its own. The time is limited on PostgreSQL only.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.title = capfirst(str(self.opts.verbose_name_plural))

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        """Return no rows, and show an error, if the search has too many words."""
        if len(self.query.split()) <= MOST_WORDS:
            return super().get_queryset(request, exclude_parameters)
        messages.error(request, f"A search has at most {MOST_WORDS} words. Nothing was searched for.")
        typed, self.query = self.query, ""
        try:
            return super().get_queryset(request, exclude_parameters).none()
        finally:
            self.query = typed

    def get_results(self, request: HttpRequest) -> None:
        """Read the rows of this page. If a search takes too long, show no rows and a message."""
        if not self.query:
            super().get_results(request)
            return
        try:
            with transaction.atomic(using=self.queryset.db):
                self._end_in_time()
                super().get_results(request)
                len(self.result_list)  # reads the rows here, and not when the template is rendered
        except OperationalError as error:
            if getattr(error.__cause__, "sqlstate", "") != _ENDED:
                raise
            messages.error(
                request,
                f"The search took more than {MOST_SECONDS} seconds and was ended. Search for whole values, "
                "such as a payment reference.",
            )
            self.queryset = self.queryset.none()
            super().get_results(request)

    def _end_in_time(self) -> None:
        connection = connections[self.queryset.db]
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL statement_timeout = {MOST_SECONDS * 1000}")


class WithBoundedSearch:
    """A mixin for the pages of a table, whose list is a ``BoundedList``."""

    def get_changelist(self, request: HttpRequest, **more: Any) -> type[ChangeList]:
        """See ModelAdmin."""
        return BoundedList
