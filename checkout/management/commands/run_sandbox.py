"""`manage.py run_sandbox`: the provider and issuer to develop against."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from checkout.conf import conf
from payments_gateway.serving.process import gc_tuning
from sandbox.configuration import Configuration
from sandbox.program import serve


class Command(BaseCommand):
    help = "Serve the sandbox provider and issuer (development only; configured by SANDBOX_* variables)."
    requires_system_checks: list[str] = []  # it uses nothing of the gateway, so it starts without one

    def handle(self, *args: Any, **options: Any) -> None:
        del args, options
        if not conf.is_try_out:
            raise CommandError("The sandbox is a development tool: it starts only with CHECKOUT_TRY_OUT on.")
        configuration = Configuration()
        self.stdout.write(f"Sandbox (never real money) at {configuration.url}")
        gc_tuning.freeze()
        serve(configuration)
