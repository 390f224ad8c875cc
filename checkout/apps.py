"""The Django application."""

import atexit

from django.apps import AppConfig


class CheckoutConfig(AppConfig):
    """The Django app ``checkout``: the whole gateway except its wiring."""

    name = "checkout"
    verbose_name = "Payments"

    def ready(self) -> None:
        """Register participants, system checks, signal handlers and a process's crash point for tests."""
        import checkout.crash_points  # noqa: F401  defined before one is armed
        from checkout import checks  # noqa: F401  registered once the settings can be read
        from checkout.backoffice.log_in.known_browsers import remember_browsers
        from checkout.backoffice.log_in.known_networks import learn_networks
        from checkout.backoffice.log_in.record import keep_record
        from checkout.backoffice.log_in.second_factor.gate import keep_confirmations
        from checkout.backoffice.log_in.sessions import keep_times
        from checkout.backoffice.rights.roles import make_roles_after_migrating
        from checkout.conf import conf
        from checkout.participants import participants
        from messaging import crash_points
        from messaging.access.participants import register
        from messaging.concurrency.database import close_connections

        keep_record()
        keep_times()
        keep_confirmations()
        make_roles_after_migrating()
        remember_browsers()
        learn_networks()

        atexit.register(close_connections)
        register(participants())

        if conf.crash_at:
            crash_points.arm(conf.crash_at)
