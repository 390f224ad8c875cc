"""Stop a handler at a named place, as a crash of its process does: nothing after it runs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, models, transaction

from checkout.models import Fact, InboxMessage, ProviderCall


class Crash(BaseException):
    """Not an Exception: no handler may catch it."""


def crash() -> None:
    raise Crash


@contextmanager
def after_the_intent(act: Callable[[], object] = crash) -> Iterator[None]:
    """Run ``act`` when the intent has been committed and the provider has not been called."""
    with _at_insert(ProviderCall, after=lambda: transaction.on_commit(act)):
        yield


@contextmanager
def before_the_outcome_is_stored() -> Iterator[None]:
    """Crash when the outside world has answered and nothing of it is stored."""
    with _at_insert(InboxMessage, before=crash):
        yield


@contextmanager
def before_the_last_commit() -> Iterator[None]:
    """Crash when outcome and fact are written and not committed."""
    with _at_insert(Fact, after=crash):
        yield


@contextmanager
def _at_insert(
    model: type[models.Model],
    *,
    before: Callable[[], object] = lambda: None,
    after: Callable[[], object] = lambda: None,
) -> Iterator[None]:
    """Act around the first insert of a ``model`` by this thread."""
    statement = f'INSERT INTO "{model._meta.db_table}"'
    is_over = False

    def watch(execute: Callable[..., Any], sql: str, *arguments: Any) -> Any:
        nonlocal is_over
        if is_over or not sql.startswith(statement):
            return execute(sql, *arguments)
        is_over = True
        before()
        result = execute(sql, *arguments)
        after()
        return result

    with connection.execute_wrapper(watch):
        yield
