"""Loading of the apps that ``CHECKOUT_OWN_APPS`` names.

An app may have ``service.py``, with a ``service`` that answers its commands, and ``purchase_steps.py``, with
its ``STEPS`` of the purchase. As any Django app, it may have models.
"""

from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from checkout.conf import conf
from checkout.messages import Command
from checkout.own.step import OwnStep, faults_of


def own_services() -> list[tuple[str, ModuleType]]:
    """Return the module of each service of your own, after the label of its app."""
    return [(app.rpartition(".")[2], module) for app, module in _modules("service")]


def own_steps() -> list[OwnStep]:
    """Return the steps, in the order of the apps. Raises ImproperlyConfigured if one cannot be taken."""
    steps = _steps()
    if faults := list(faults_of(steps)):
        raise ImproperlyConfigured(f"The steps of your own cannot be taken. {' '.join(faults)}")
    return steps


def faults_of_own_steps() -> list[str]:
    """Return a sentence about everything for which the steps cannot be taken."""
    try:
        return list(faults_of(_steps()))
    except ImproperlyConfigured as error:
        return [str(error)]


def commands_of_own_steps() -> list[type[Command[Any]]]:
    """Return the commands of all steps; none if a step cannot be taken, which a system check reports."""
    try:
        return [command for step in own_steps() for command in step.commands]
    except ImproperlyConfigured:
        return []


def _steps() -> list[OwnStep]:
    steps = []
    for app, module in _modules("purchase_steps"):
        try:
            found = list(module.STEPS)
        except (AttributeError, TypeError):
            found = [None]
        if not all(isinstance(step, OwnStep) for step in found):
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
