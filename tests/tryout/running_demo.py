"""``run_demo`` as a process on its own ports."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import requests

from checkout.tryout.ports import check_ports
from scripts.services.process import free_port
from tests.support.program import ROOT, Program

MANAGE = (sys.executable, "manage.py")


def manage(*arguments: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a management command to its end."""
    return subprocess.run(
        [*MANAGE, *arguments],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


class RunningDemo:
    """``run_demo`` on its own ports, until it is stopped."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "demo"
        self.port, self.sandbox_port = free_port(), free_port()
        self.url = f"http://localhost:{self.port}"
        self.sandbox_url = f"http://127.0.0.1:{self.sandbox_port}"
        # The settings of another installation, which the demonstration must ignore.
        self.environment = {**os.environ, "BROKER_URL": "amqp://localhost:1/"}
        self.environment |= {
            "CHECKOUT_PROVIDER_CREDENTIALS": '{"sandbox": {}}',
            "SANDBOX_URL": "http://other",
        }
        self.environment["DATABASE_URL"] = f"sqlite:///{folder / 'other.sqlite3'}"

    def command(self, *options: str) -> list[str]:
        ports = ["--port", str(self.port), "--sandbox-port", str(self.sandbox_port)]
        return ["run_demo", *ports, "--folder", str(self.folder), *options]

    def run(self, *options: str) -> subprocess.CompletedProcess[str]:
        return manage(*self.command(*options), environment=self.environment)

    def program(self) -> Program:
        """Return the demonstration as a process that a test starts and stops."""
        log = self.folder.with_suffix(".log")
        return Program("demo", [*MANAGE, *self.command()], log=log, environment=self.environment)

    def try_purchase(self, *options: str, database: Path) -> subprocess.CompletedProcess[str]:
        """Run the command as a person would, with a given database."""
        return manage(
            *("try_purchase", "--url", self.url, *options),
            environment={**os.environ, "BROKER_URL": "memory://", "DATABASE_URL": f"sqlite:///{database}"},
        )

    def is_gone(self) -> bool:
        """Return True if no process listens on its ports any more."""
        for port in (self.port, self.sandbox_port):
            check_ports(port)
        return True

    def orders(self, payment: str) -> list[dict[str, object]]:
        """Return the provider's orders for a payment."""
        orders = requests.get(f"{self.sandbox_url}/books.json", timeout=10).json()["orders"]
        return [order for order in orders if order["order_code"].startswith(payment)]
