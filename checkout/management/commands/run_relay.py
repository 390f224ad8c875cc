"""``manage.py run_relay``: publishes the outbox, runs timers, keeps dead letters.

May run in several copies.
"""

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from checkout.database.owners import databases
from checkout.running import background
from checkout.running.readiness import require_ready
from checkout.running.relay import run_relay


class Command(BaseCommand):
    """Publish messages that are due, run the timers and store dead letters, until the process is stopped."""

    requires_system_checks: list[str] = []  # see run_service
    help = "Publishes outbox rows that are due, lets time pass and keeps dead letters, until stopped."

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until SIGTERM or SIGINT, then finish the round."""
        try:
            require_ready("relay", databases=databases())
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from error
        background.run(run_relay, "relay")
