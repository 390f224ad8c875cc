"""Replacement of functions of the product in this process, for its mutants (``mutants.py``)."""

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from typing import Any
from unittest.mock import patch

from checkout.payments.providers.base import Provider, ProviderResult
from checkout.payments.providers.registry import get_provider
from checkout.payments.service import provider_call
from checkout.reconciliation import provider_books

Patches = Iterator[AbstractContextManager[Any]]


def everywhere(original: Callable[..., Any], replacement: Callable[..., Any]) -> Patches:
    """Replace a function in every module that has imported it by name."""
    for module_name, module in list(sys.modules.items()):
        if module_name.partition(".")[0] == "checkout":
            for name in [name for name, value in vars(module).items() if value is original]:
                yield patch.object(module, name, replacement)


def providers_that(
    send: Callable[[Callable[[Any], ProviderResult], Any], ProviderResult], verbs: tuple[str, ...]
) -> Patches:
    """Pass calls of these methods of all providers through ``send``."""

    class Sender:
        def __init__(self, provider: Provider) -> None:
            self._provider = provider

        def __getattr__(self, name: str) -> Any:
            method = getattr(self._provider, name)
            return partial(send, method) if name in verbs else method

    for module in (provider_call, provider_books):
        yield patch.object(module, "get_provider", lambda account: Sender(get_provider(account)))
