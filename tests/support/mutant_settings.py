"""The product's settings, for a process that MUTANT names a missing defence of; see ``mutants.py``."""

import os

from django.apps import AppConfig

from payments_gateway.settings import *  # noqa: F403


class Mutation(AppConfig):
    """Comes last, when everything that it changes has been imported."""

    name = "tests.support"
    label = "mutation"

    def ready(self) -> None:
        from tests.support import mutants  # it needs the models

        mutants.apply_for_ever(os.environ["MUTANT"])


INSTALLED_APPS = [*INSTALLED_APPS, "tests.support.mutant_settings.Mutation"]  # noqa: F405
