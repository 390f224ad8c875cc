"""The whole product as separate processes, on RabbitMQ and PostgreSQL, as the Procfile runs it."""

import os
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

import pika
import pika.exceptions
import requests

from messaging.rabbitmq.connection.addresses import connection_parameters
from scripts.services.process import free_port
from tests.support.broker_users import make_users, url_of
from tests.support.hosts import Host
from tests.support.program import Program, run
from tests.support.waiting import wait_until

SERVICES = ("checkout", "payments", "risk", "orders", "ledger", "notifications")
START_SECONDS = 120
# In production only the provider knows the secret part of this path. The sandbox's secret is public.
NOTIFICATIONS = "/notifications/sandbox/sandbox-notification-secret/"


class Stack:
    """Web processes that share one port, and each service, the relay, the sender of webhooks and the sandbox.

    With `web_ports` each web process has a port of its own, for a proxy in front.

    The gateway is at `web_url` (http://localhost:…), the sandbox at `sandbox_url` (http://127.0.0.1:…), so
    that browsers take them for different sites. `programs` maps names to processes: `web`, `relay`,
    `webhooks`, `sandbox` and the services' names; the name of a second copy ends in 2, as in `payments-2`.

    Each process has a broker user of its own. `broker_url` names a user for the test itself, who may do
    everything. `control` is the `rabbitmqctl` to use if the broker is not that of BROKER_URL.

    A service named in `without` is not started: the test provides it. `copies` gives the number of processes
    of a service or of `relay`, if it is not 1. `environment` overrides settings of all processes,
    `web_environment` those of the web processes, and `own` those of single processes by name. `hosts` maps
    names of processes to the hosts on which they run, if not on this machine itself.
    """

    def __init__(
        self,
        folder: Path,
        *,
        broker_url: str,
        database_url: str,
        webs: int = 1,
        web_ports: Sequence[int] = (),
        without: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        web_environment: Mapping[str, str] | None = None,
        copies: Mapping[str, int] | None = None,
        own: Mapping[str, Mapping[str, str]] | None = None,
        control: str | None = None,
        hosts: Mapping[str, Host] | None = None,
    ) -> None:
        self.folder = folder
        self.broker_url = broker_url
        self._control = control
        self._hosts = hosts or {}
        self.database_url = database_url
        self.programs: dict[str, Program] = {}
        self._closing = ExitStack()
        if web_ports:
            webs, port = len(web_ports), web_ports[0]
            names = _names("web", {"web": webs})
            places = [self._own_port(name, port) for name, port in zip(names, web_ports, strict=True)]
        else:
            listener = self._closing.enter_context(socket.create_server(("127.0.0.1", 0), backlog=512))
            port, places = listener.getsockname()[1], [_descriptor(listener)] * webs
        sandbox_port = int((environment or {}).get("SANDBOX_PORT", 0)) or free_port()
        self.web_url = f"http://localhost:{port}"
        self.sandbox_url = f"http://127.0.0.1:{sandbox_port}"
        self.environment = {
            **os.environ,
            "PYTHONUNBUFFERED": "1",
            "DEBUG": "false",
            "CHECKOUT_TRY_OUT": "true",
            "DJANGO_SETTINGS_MODULE": "payments_gateway.settings",
            "BROKER_URL": broker_url,
            "DATABASE_URL": database_url,
            "PUBLIC_URL": self.web_url,
            "SANDBOX_URL": self.sandbox_url,
            "SANDBOX_PORT": str(sandbox_port),
            "SANDBOX_NOTIFICATION_URL": f"{self.web_url}{NOTIFICATIONS}",
            "SANDBOX_BOOKS": str(folder / "books.sqlite3"),
            # By default the sandbox misbehaves on random orders. Tests that want this set it themselves.
            "SANDBOX_TRAITS": "{}",
            **(environment or {}),
        }
        self._own = own or {}
        copies = {"web": webs, **(copies or {})}
        web = ["-m", "uvicorn", "payments_gateway.asgi:application"]
        web += ["--http", "payments_gateway.serving.http.protocol:HardenedHttpProtocol"]
        web += ["--timeout-graceful-shutdown", "24", "--no-access-log"]
        web += ["--forwarded-allow-ips", (environment or {}).get("FORWARDED_ALLOW_IPS", "")]
        web += ["--ws-max-size", "4096", "--ws-per-message-deflate", "false"]
        for name, (place, descriptors) in zip(_names("web", copies), places, strict=True):
            self._add(name, [*web, *place], descriptors=descriptors, environment=web_environment)
        for service in SERVICES:
            for name in _names(service, copies) if service not in without else ():
                self._add(name, ["manage.py", "run_service", service])
        for name in _names("relay", copies):
            self._add(name, ["manage.py", "run_relay"])
        self._add("webhooks", ["manage.py", "run_webhooks"])
        self._add("sandbox", ["manage.py", "run_sandbox"])

    def __enter__(self) -> "Stack":
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_details: object) -> None:
        self.stop()

    def start(self) -> None:
        """Load the example data into the migrated database, start everything, and wait until it is ready."""
        make_users(self.broker_url, program=self._control)
        self.manage("load_example", "--skip-checks")
        for program in self.programs.values():
            program.start()
        self.wait_until_ready()

    def stop(self) -> None:
        """Kill processes that still run. A test of a graceful end calls `terminate` on the program first."""
        for program in self.programs.values():
            program.kill()
        self._closing.close()

    def wait_until_ready(self) -> None:
        """Wait until every process accepts work. Raises AssertionError with the ends of all logs."""
        try:
            wait_until(self._sandbox_answers, "the sandbox", seconds=START_SECONDS)
            wait_until(self._web_answers, "/readyz of web", seconds=START_SECONDS)
            for service in set(SERVICES) & set(self.programs):
                self.wait_for_consumer(f"checkout.commands.{service}")
            self.wait_for_consumer("checkout.events.webhooks")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log_tails()}") from None

    def wait_for_consumer(self, queue: str) -> None:
        """Wait until this queue has a consumer."""
        wait_until(lambda: self._consumers(queue) > 0, f"a consumer of {queue}", seconds=START_SECONDS)

    def manage(self, *arguments: str, environment: Mapping[str, str] | None = None) -> str:
        """Run a management command as the user of web, with `environment` in addition. Return its output."""
        own = {"BROKER_URL": url_of("web", self.broker_url), **(environment or {})}
        result = run([sys.executable, "manage.py", *arguments], {**self.environment, **own})
        assert result.returncode == 0, f"manage.py {' '.join(arguments)}: {result.stdout}{result.stderr}"
        return result.stdout

    def log_tails(self, lines: int = 15) -> str:
        """Return the last lines of every log, for the report of a failed test."""
        tails = []
        for program in self.programs.values():
            state = "running" if program.is_alive else "ended"
            tails += [f"--- {program.name} ({state})", *program.text().splitlines()[-lines:]]
        return "\n".join(tails)

    def _add(
        self,
        name: str,
        arguments: Sequence[str],
        *,
        descriptors: Sequence[int] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        settings = {**self.environment, **(environment or {}), **self._own.get(name, {})}
        participant = name.partition("-")[0]
        self.programs[name] = Program(
            name,
            [*(host.within if (host := self._hosts.get(name)) else ()), sys.executable, *arguments],
            log=self.folder / f"{name}.log",
            environment={**settings, "BROKER_URL": url_of(participant, settings["BROKER_URL"])},
            descriptors=descriptors,
            may_be_forked=True,
        )

    def _own_port(self, name: str, port: int) -> tuple[list[str], list[int]]:
        host = self._hosts.get(name)
        return ["--host", host.address if host else "127.0.0.1", "--port", str(port)], []

    def _web_answers(self) -> bool:
        host = self._hosts.get("web")
        url = self.web_url.replace("localhost", host.address) if host else self.web_url
        with suppress(requests.RequestException):
            return requests.get(f"{url}/readyz", headers={"Host": "localhost"}, timeout=5).status_code == 200
        return False

    def _sandbox_answers(self) -> bool:
        with suppress(requests.RequestException):
            return requests.get(f"{self.sandbox_url}/books.json", timeout=5).status_code == 200
        return False

    def _consumers(self, queue: str) -> int:
        with pika.BlockingConnection(connection_parameters(self.broker_url, "a test")) as connection:
            try:
                declared = connection.channel().queue_declare(queue, passive=True)
            except pika.exceptions.ChannelClosedByBroker:
                return 0
            return int(declared.method.consumer_count)


def _descriptor(listener: socket.socket) -> tuple[list[str], list[int]]:
    return ["--fd", str(listener.fileno())], [listener.fileno()]


def _names(kind: str, copies: Mapping[str, int]) -> list[str]:
    return [kind, *(f"{kind}-{number}" for number in range(2, copies.get(kind, 1) + 1))]
