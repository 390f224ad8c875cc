"""Loading of the apps that ``CHECKOUT_OWN_APPS`` names.

An app may have three modules: ``service.py`` with a ``service`` that handles its commands,
``purchase_steps.py`` with its ``STEPS`` of the purchase, and ``erasure.py`` with ``erase_payment``. Like any
Django app, it may have models.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured

from checkout.conf import conf
from checkout.messages import Command
from checkout.own.step import OwnStep, validate_steps

# The programs whose names a service of your own may not have. It may replace one of the gateway's other
# services.
TAKEN = frozenset(("checkout", "payments", "relay", "web", "webhooks"))


def own_services() -> list[tuple[str, ModuleType]]:
    """Return the module of each service of your own, after the label of its app.

    Raises ImproperlyConfigured if a service cannot be run.
    """
    services: dict[str, tuple[str, ModuleType]] = {}
    for app, module in _modules("service"):
        # The class of ``service`` is not checked, because participants are read before Django can load
        # tables.
        name = getattr(getattr(module, "service", None), "name", None)
        if not isinstance(name, str):
            raise ImproperlyConfigured(
                f'{app}.service has no service: it needs a line such as service = Service("{_label(app)}").'
            )
        if name in TAKEN:
            raise ImproperlyConfigured(
                f"{app}.service is called {name!r}, which is a name of the gateway's own programs."
            )
        if name in services:
            raise ImproperlyConfigured(f"Two services of your own are called {name!r}.")
        services[name] = (_label(app), module)
    return list(services.values())


def own_steps() -> list[OwnStep]:
    """Return the steps of your own, in the order of their apps.

    Raises ImproperlyConfigured if one cannot be used.
    """
    steps = _steps()
    if faults := list(validate_steps(steps)):
        raise ImproperlyConfigured(f"The steps of your own cannot be taken. {' '.join(faults)}")
    return steps


def validate_own_apps() -> Iterator[str]:
    """Yield a sentence for each reason why your services, steps or tables cannot be used."""
    try:
        yield from validate_steps(_steps())
    except ImproperlyConfigured as error:
        yield str(error)
    try:
        own_services()
    except ImproperlyConfigured as error:
        yield str(error)
    for config in apps.get_app_configs():
        if config.name in conf.own_apps and any(config.get_models()) and not _has_migrations(config.name):
            yield f"{config.name} has tables and no migrations: run manage.py makemigrations {config.label}."


def commands_of_own_steps() -> list[type[Command[Any]]]:
    """Return the commands of all steps of your own; none if a step cannot be used."""
    try:
        return [command for step in own_steps() for command in step.commands]
    except ImproperlyConfigured:
        return []


def usable_services() -> list[tuple[str, ModuleType]]:
    """Return the services of your own; none if one cannot be run (a system check reports that)."""
    try:
        return own_services()
    except ImproperlyConfigured:
        return []


def own_advice(reason: str) -> str:
    """Return the sentence for the shopper about a refusal by a step of your own; empty if there is none."""
    return _advice(conf.own_apps).get(reason, "")


def own_erasures() -> list[Callable[[str], None]]:
    """Return the functions of your apps that erase a shopper's data, given the payment's reference.

    Raises ImproperlyConfigured if an app's ``erasure.py`` has no such function.
    """
    found = []
    for app, module in _modules("erasure"):
        erase = getattr(module, "erase_payment", None)
        if not callable(erase):
            raise ImproperlyConfigured(f"{app}.erasure has no function erase_payment(reference).")
        found.append(erase)
    return found


@cache
def _advice(_apps: Sequence[str]) -> Mapping[str, str]:
    try:
        return {reason: text for step in own_steps() for reason, text in step.advice.items()}
    except ImproperlyConfigured:
        return {}


def _steps() -> list[OwnStep]:
    steps: list[OwnStep] = []
    for app, module in _modules("purchase_steps"):
        found = getattr(module, "STEPS", None)
        if not isinstance(found, Collection) or not all(isinstance(step, OwnStep) for step in found):
            raise ImproperlyConfigured(f"{app}.purchase_steps has no STEPS that are a list of OwnStep.")
        steps += found
    return steps


def _modules(name: str) -> Iterator[tuple[str, ModuleType]]:
    for app in conf.own_apps:
        if find_spec(f"{app}.{name}") is not None:
            try:
                yield app, import_module(f"{app}.{name}")
            except Exception as error:
                raise ImproperlyConfigured(f"{app}.{name} cannot be imported: {error}") from error


def _has_migrations(app: str) -> bool:
    return find_spec(f"{app}.migrations") is not None


def _label(app: str) -> str:
    return app.rpartition(".")[2]
