"""The Django application."""

import atexit

from django.apps import AppConfig


class CheckoutConfig(AppConfig):
    """Everything of the gateway but its wiring."""

    name = "checkout"
    verbose_name = "Payments"

    def ready(self) -> None:
        """Register the system checks and what a process does last; arm the crash point of a test."""
        from checkout import checks, crash_points  # noqa: F401  registered once the settings can be read
        from checkout.conf import conf
        from checkout.database import close_connections

        atexit.register(close_connections)

        if conf.crash_at:
            crash_points.arm(conf.crash_at)
