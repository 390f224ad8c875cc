"""Stop a handler at a given point, as a crash of its process does: no code after that point runs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, models, transaction

from checkout.payments.models import Fact, InboxMessage, ProviderCall


class Crash(BaseException):
    """This stops a handler. It is not an Exception, so that no handler catches it."""


def crash() -> None:
    raise Crash


@contextmanager
def after_the_intent(act: Callable[[], object] = crash) -> Iterator[None]:
    """Run ``act`` after the intent has been committed and before the provider is called."""
    with _at_insert(ProviderCall, after=lambda: transaction.on_commit(act)):
        yield


@contextmanager
def before_the_outcome_is_stored() -> Iterator[None]:
    """Crash after the provider's answer and before any of it is stored."""
    with _at_insert(InboxMessage, before=crash):
        yield


@contextmanager
def before_the_last_commit() -> Iterator[None]:
    """Crash after outcome and fact were written and before they are committed."""
    with _at_insert(Fact, after=crash):
        yield


@contextmanager
def _at_insert(
    model: type[models.Model],
    *,
    before: Callable[[], object] = lambda: None,
    after: Callable[[], object] = lambda: None,
) -> Iterator[None]:
    """Call ``before`` and ``after`` around the first statement of this thread that inserts a ``model``."""
    statement = f'INSERT INTO "{model._meta.db_table}"'
    is_over = False

    def watch(execute: Callable[..., Any], sql: str, *arguments: Any) -> Any:
        nonlocal is_over
        if is_over or statement not in sql:
            return execute(sql, *arguments)
        is_over = True
        before()
        result = execute(sql, *arguments)
        after()
        return result

    with connection.execute_wrapper(watch):
        yield
