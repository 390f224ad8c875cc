"""``manage.py run_relay``: outbox, timers, dead letters. May run in any number of copies."""

import asyncio
import signal
from typing import Any

from django.core.management.base import BaseCommand

from checkout import garbage
from checkout.messaging.broker import close_brokers, get_broker
from checkout.relay import run_relay


class Command(BaseCommand):
    """See the module."""

    requires_system_checks: list[str] = []  # see run_service
    help = "Publishes outbox rows that are due, lets time pass and keeps dead letters, until stopped."

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until SIGTERM or SIGINT, then finish the round."""
        garbage.leave_the_program_alone()
        asyncio.run(_run())


async def _run() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    broker = get_broker()
    await broker.start()
    try:
        await run_relay(broker, stop)
    finally:
        await close_brokers()
