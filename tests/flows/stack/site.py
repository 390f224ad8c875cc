"""A stack on its own RabbitMQ and PostgreSQL, which a test may stop."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.services.postgresql import Postgresql
from scripts.services.process import Service
from scripts.services.rabbitmq import Rabbitmq
from tests.support.program import Program
from tests.support.stack import SERVICES, Stack
from tests.support.waiting import wait_until

SETTINGS = {
    # If the database stops just as an intent is committed, it is unknown whether the request was sent. The
    # provider's denial counts only after the settling time.
    "CHECKOUT_SETTLING_SECONDS": "20",
    "CHECKOUT_ORDER_LAG_SECONDS": "3",
    "CHECKOUT_MODIFICATION_LAG_SECONDS": "5",
    "CHECKOUT_QUEUE_SECONDS": "10",
    "CHECKOUT_INQUIRY_DELAYS": "[2, 5, 10, 15, 15, 15, 30]",
    "CHECKOUT_REPLY_BUDGET_SECONDS": "4",
    "CHECKOUT_RISK_PAYMENTS_PER_EMAIL": "1000000",
    "SANDBOX_SETTLE_SECONDS": "0.5",
    "SANDBOX_RETRY_FIRST_SECONDS": "0.5",
    "SANDBOX_RETRY_LONGEST_SECONDS": "4",
}


@dataclass(frozen=True)
class Site:
    stack: Stack
    rabbitmq: Service
    postgresql: Any  # a single server, or a pair

    def until_ready(self) -> None:
        """Wait until every process is ready again."""
        self.stack.wait_until_ready()

    def restart_one_after_the_other(self) -> None:
        """Restart each process by SIGTERM after the previous one is ready, as a deployment does."""
        for name, program in self.stack.programs.items():
            if name != "sandbox":
                program.terminate()
                self._start(program)

    def _start(self, program: Program) -> None:
        logged = len(program.text())
        program.start()
        if program.name.partition("-")[0] == "web":
            line = "Application startup complete"
            wait_until(lambda: line in program.text()[logged:], f"{program.name} to start", seconds=60)
        elif program.name in SERVICES:
            self.stack.wait_for_consumer(f"checkout.commands.{program.name}")


@contextmanager
def opened(make: Callable[..., Any] = Postgresql) -> Iterator[Site]:
    """Yield a stack on a database server, which ``make`` creates in a folder, perhaps with a replica."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with running(folder, Rabbitmq(folder / "rabbitmq"), make, webs=2) as site:
            yield site


@contextmanager
def running(
    folder: Path, rabbitmq: Service, make: Callable[..., Any] = Postgresql, **options: Any
) -> Iterator[Site]:
    """Yield a site on this broker. The site is not started yet. `options` are those of `Stack`."""
    with ExitStack() as closing:
        folder.chmod(0o711)  # if we are root, PostgreSQL runs as another user
        postgresql = make(folder / "postgresql", durable=True)
        for service in (rabbitmq, postgresql):
            service.start()
            closing.callback(service.stop)
        stack = Stack(
            folder,
            broker_url=rabbitmq.environment["BROKER_URL"],
            database_url=postgresql.environment["DATABASE_URL"],
            control=rabbitmq.environment["RABBITMQ_CONTROL"],
            environment={**SETTINGS, **postgresql.environment},
            **options,
        )
        stack.manage("migrate", "--verbosity=0")
        yield Site(closing.enter_context(stack), rabbitmq, postgresql)
