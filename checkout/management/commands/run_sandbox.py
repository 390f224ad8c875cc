"""`manage.py run_sandbox`: the sandbox provider and issuer for development."""

import os
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from pydantic import ValidationError
from pydantic_settings import SettingsError

from checkout.conf import conf
from payments_gateway.serving.process import gc_tuning
from sandbox.configuration import Configuration, unknown_names
from sandbox.program import serve
from sandbox.storage import UnusableBooks


class Command(BaseCommand):
    help = "Serve the sandbox provider and issuer (development only; configured by SANDBOX_* variables)."
    requires_system_checks: list[str] = []  # it uses no part of the gateway, and starts without one

    def handle(self, *args: Any, **options: Any) -> None:
        del args, options
        if not conf.is_try_out:
            raise CommandError("The sandbox is a development tool: it starts only with CHECKOUT_TRY_OUT on.")
        configuration = self._configuration()
        self.stdout.write(f"Sandbox (never real money) at {configuration.url}")
        gc_tuning.freeze()
        try:
            serve(configuration)
        except UnusableBooks as error:
            raise CommandError(f"SANDBOX_BOOKS: {error}") from error

    def _configuration(self) -> Configuration:
        """Return the settings of the sandbox. Warn about unknown names, which are probably misspelt."""
        for name in sorted(unknown_names(os.environ)):
            self.stderr.write(f"{name} is not a setting of the sandbox, see docs/sandbox.md#settings")
        try:
            return Configuration()
        except ValidationError as error:
            faults = "; ".join(
                f"SANDBOX_{str(fault['loc'][0]).upper()}: {fault['msg']}" for fault in error.errors()
            )
            raise CommandError(faults) from error
        except SettingsError as error:
            raise CommandError('SANDBOX_TRAITS: not JSON, such as {"no_balance": 0.5}') from error
