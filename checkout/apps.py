"""The Django application."""

from django.apps import AppConfig


class CheckoutConfig(AppConfig):
    """Everything of the gateway but its wiring."""

    name = "checkout"
    verbose_name = "Payments"

    def ready(self) -> None:
        """Register the system checks."""
        from checkout import checks  # noqa: F401  registered on import, once the settings can be read
