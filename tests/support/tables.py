"""The models of all of the product's apps."""

from collections.abc import Iterator

from django.apps import apps
from django.db.models import Model


def our_models() -> Iterator[type[Model]]:
    """Yield the models of all apps in ``checkout``."""
    for config in apps.get_app_configs():
        if config.name.startswith("checkout."):
            yield from config.get_models()
