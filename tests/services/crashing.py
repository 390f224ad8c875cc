"""Stop a handler at a named place, as a crash of its process does: nothing after it runs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import models, transaction
from django.db.models.signals import post_save, pre_save

from checkout.models import Fact, InboxMessage, ProviderCall


class Crash(BaseException):
    """Not an Exception: no handler may catch it."""


def crash() -> None:
    raise Crash


@contextmanager
def after_the_intent(act: Callable[[], object] = crash) -> Iterator[None]:
    """Run ``act`` when the intent has been committed and the provider has not been called."""
    with _on(post_save, ProviderCall, lambda: transaction.on_commit(act)):
        yield


@contextmanager
def before_the_outcome_is_stored() -> Iterator[None]:
    """Crash when the outside world has answered and nothing of it is stored."""
    with _on(pre_save, InboxMessage, crash):
        yield


@contextmanager
def before_the_last_commit() -> Iterator[None]:
    """Crash when outcome and fact are written and not committed."""
    with _on(post_save, Fact, crash):
        yield


@contextmanager
def _on(
    signal: models.signals.ModelSignal, model: type[models.Model], act: Callable[[], object]
) -> Iterator[None]:
    def once(**_kwargs: object) -> None:
        signal.disconnect(once, sender=model)
        act()

    signal.connect(once, sender=model)
    try:
        yield
    finally:
        signal.disconnect(once, sender=model)
