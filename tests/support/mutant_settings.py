"""The product's settings for a process without the defence that MUTANT names; see ``mutants.py``."""

import os

from django.apps import AppConfig

from payments_gateway.settings import *  # noqa: F403


class Mutation(AppConfig):
    """The app that applies the mutant. It is loaded last, after every module that the mutant changes."""

    name = "tests.support"
    label = "mutation"

    def ready(self) -> None:
        from tests.support import mutants  # this imports models, which are ready only now

        mutants.apply_for_ever(os.environ["MUTANT"])


INSTALLED_APPS = [*INSTALLED_APPS, "tests.support.mutant_settings.Mutation"]  # noqa: F405
