"""Django's admin, whose pages are loaded with the project's URLs, or when they are checked.

Django would load them in every process. Services and the relay have no pages, and start faster without them.
"""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.contrib.admin import apps, checks as admin_checks
from django.core import checks


class AdminConfig(apps.SimpleAdminConfig):
    """The application ``django.contrib.admin``. ``payments_gateway.urls`` calls ``admin.autodiscover()``."""

    default_site = "checkout.backoffice.log_in.site.BackOffice"

    def ready(self) -> None:
        """Register Django's checks of the admin."""
        checks.register(admin_checks.check_dependencies, checks.Tags.admin)
        checks.register(pages_are_right, checks.Tags.admin)


def pages_are_right(**kwargs: Any) -> Sequence[checks.CheckMessage]:
    """Load all pages, and check them as Django does."""
    admin.autodiscover()
    return admin_checks.check_admin_app(**kwargs)
