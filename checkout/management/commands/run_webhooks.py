"""``manage.py run_webhooks``: sends events to merchants. May run in any number of copies."""

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError
from django.db import DEFAULT_DB_ALIAS

from checkout.conf import conf
from checkout.running import background
from checkout.running.readiness import require_ready
from checkout.running.webhooks import run_webhooks


class Command(BaseCommand):
    """Send webhooks until the process is stopped."""

    requires_system_checks: list[str] = []  # see run_service
    help = "Sends webhooks to merchants, until stopped."

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until SIGTERM or SIGINT, then finish the attempts under way, or give their deliveries back."""
        if conf.is_in_memory:
            raise CommandError(
                "BROKER_URL is memory://: webhooks are sent by the web process. Set it to amqp://… to send "
                "them from a process of their own."
            )
        try:
            require_ready("webhooks", databases=[DEFAULT_DB_ALIAS])
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from error
        background.run(run_webhooks, "webhooks")
