"""Django's admin, which loads its pages with the project's URLs or for Django's checks.

By default Django loads them in every process. Services and the relay have no pages, and start faster this
way.
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
    """Load all pages, and run Django's checks of the admin."""
    admin.autodiscover()
    return admin_checks.check_admin_app(**kwargs)
