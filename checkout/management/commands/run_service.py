"""``manage.py run_service NAME…``: runs services until it is stopped. May run in any number of copies."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any

import structlog
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.urls import reverse

from checkout.conf import conf
from checkout.database.owners import database_of
from checkout.own.packages import own_services, own_steps
from checkout.running import background
from checkout.running.readiness import require_ready
from checkout.running.services import ORCHESTRATOR, SERVICES, run_services
from messaging.broker import Broker

log = structlog.get_logger(__name__)


class Command(BaseCommand):
    """Run services until the process is stopped."""

    # The checks load the pages and the back office, which a service does not need. They are run once for each
    # deployment.
    requires_system_checks: list[str] = []
    help = f"Runs services, on one event loop: {', '.join(SERVICES)}."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments: the services' names."""
        parser.add_argument("names", nargs="*", metavar="NAME", help="a service to run")
        parser.add_argument("--all", action="store_true", help="run all of them")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until SIGTERM or SIGINT, then finish the messages that are being handled."""
        names = list(SERVICES) if options["all"] else list(dict.fromkeys(options["names"]))
        unknown = [name for name in names if name not in SERVICES]
        if unknown or options["all"]:
            _must_run_own_services()
        if unknown or not names:
            problem = f"There is no service {', '.join(unknown)}" if unknown else "Name a service"
            raise CommandError(f"{problem}. Known: {', '.join(SERVICES)}; or --all.")
        if ORCHESTRATOR in names:
            _must_take_own_steps()
            # Load the URLs now, because events contain addresses. Otherwise the first event would wait for
            # that.
            reverse("checkout:shop")
        if conf.is_in_memory:
            raise CommandError(
                "BROKER_URL is memory://: the services run inside the web process. Set it to amqp://… to run "
                "them on their own."
            )
        try:
            require_ready(*names, databases={database_of(SERVICES.owner_of(name)) for name in names})
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from error
        background.run(partial(_run, names), *names)


def _must_run_own_services() -> None:
    """Raise CommandError with the reason if a service of this installation cannot be loaded."""
    try:
        own_services()
    except ImproperlyConfigured as error:
        raise CommandError(str(error)) from None


def _must_take_own_steps() -> None:
    """Raise CommandError if a step of this installation cannot be loaded: it would be skipped."""
    try:
        own_steps()
    except ImproperlyConfigured as error:
        raise CommandError(str(error)) from None


async def _run(names: Sequence[str], broker: Broker, stop: asyncio.Event) -> None:
    announcement = asyncio.create_task(_announce(names, broker))
    try:
        await run_services(names, broker, stop)
    finally:
        announcement.cancel()


async def _announce(names: Sequence[str], broker: Broker) -> None:
    await broker.wait_connected()
    log.info("service ready", services=",".join(names))
