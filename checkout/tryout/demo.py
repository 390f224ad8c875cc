"""The whole gateway on one machine, without servers: SQLite, the in-memory broker and the sandbox."""

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import requests

from checkout.conf.api import TRY_OUT_API_KEY
from checkout.conf.published import DEVELOPMENT_PASSWORD, SANDBOX_CREDENTIALS
from checkout.tryout import mess
from checkout.tryout.children import Children, Stopped
from checkout.tryout.ports import check_ports
from checkout.tryout.running import announced, private_files

MANAGE = (sys.executable, "-m", "payments_gateway")
WEB = (
    *(sys.executable, "-m", "uvicorn", "payments_gateway.asgi:application"),
    *("--http", "payments_gateway.serving.http.protocol:HardenedHttpProtocol"),
    *("--forwarded-allow-ips", "", "--ws-max-size", "4096", "--ws-per-message-deflate", "false"),
    *("--host", "localhost", "--no-access-log", "--timeout-graceful-shutdown", "5"),
)

NOTIFICATION_SECRET = SANDBOX_CREDENTIALS["notification_secret"]
# Prefixes of settings to ignore, because the try-out has a provider, databases and addresses of its own.
OTHERS = (
    "SANDBOX_",
    "CHECKOUT_PROVIDER_CREDENTIALS",
    *(f"{owner}_DATABASE_URL" for owner in ("ORDERS", "RISK", "LEDGER", "RECEIPTS")),
)


@dataclass(frozen=True, slots=True)
class Demo:
    """A try-out with one purchase. The data and logs are in ``folder``, whose earlier content is deleted.

    With ``leaves_mess`` it also makes one example of each case that staff have to settle.
    """

    folder: Path
    root: Path
    port: int = 8000
    sandbox_port: int = 8001
    leaves_mess: bool = False

    @property
    def url(self) -> str:
        """The gateway's address. The host name is not the sandbox's, so that browsers see two sites."""
        return f"http://localhost:{self.port}"

    @property
    def sandbox_url(self) -> str:
        """The address of the provider and issuer."""
        return f"http://127.0.0.1:{self.sandbox_port}"

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables of all processes: the caller's, with the settings of the try-out."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(OTHERS)}
        return {
            **inherited,
            **(mess.SETTINGS if self.leaves_mess else {}),
            "DJANGO_SETTINGS_MODULE": "payments_gateway.settings",
            "PYTHONUNBUFFERED": "1",
            "DEBUG": "false",
            "CHECKOUT_TRY_OUT": "true",
            "ALLOWED_HOSTS": "localhost,127.0.0.1",
            "DATABASE_URL": f"sqlite:///{self.folder / 'gateway.sqlite3'}",
            "BROKER_URL": "memory://",
            "PUBLIC_URL": self.url,
            "CHECKOUT_ADMIN_PASSWORD": DEVELOPMENT_PASSWORD,
            "SANDBOX_URL": self.sandbox_url,
            "SANDBOX_PORT": str(self.sandbox_port),
            "SANDBOX_NOTIFICATION_URL": f"{self.url}/notifications/sandbox/{NOTIFICATION_SECRET}/",
            "SANDBOX_BOOKS": str(self.folder / "books.sqlite3"),
        }

    def run(self, say: Callable[[str], None], *, once: bool) -> int:
        """Start all processes, make a purchase, and serve until stopped. Return the exit code.

        Raises ``PortTaken`` before anything is started, ``ChildFailed`` if a process does not run,
        ``MessFailed`` if a case for staff could not be made, and ``Stopped`` if a signal arrives before the
        purchase has ended.
        """
        check_ports(self.port, self.sandbox_port)
        announcing = announced(self.root, self.url)
        with private_files(), announcing, Children(self.root, self.folder, self.environment) as children:
            self._prepare_folder()
            self._start(children, say)
            say("Buying something, through a 3-D Secure challenge\n\n")
            code = children.run_visibly(
                [*MANAGE, "try_purchase", "--scenario", "challenge", "--url", self.url]
            )
            if code:
                say(children.log_tails())
            if not code and self.leaves_mess:
                say("\nLeaving one of everything to settle (docs/rehearsal.md)")
                for line in mess.leave(self.url, self.sandbox_url):
                    say(line)
            if not code and not once:
                say(self._addresses())
                with suppress(Stopped):
                    children.wait_until_stopped()
            return code

    def _prepare_folder(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        for pattern in ("*.sqlite3*", "*.log", "*.key.pem"):
            for leftover in self.folder.glob(pattern):
                leftover.unlink()

    def _start(self, children: Children, say: Callable[[str], None]) -> None:
        say("Preparing a database and example data")
        children.run("migrate", [*MANAGE, "migrate", "--verbosity=0"])
        children.run("load_example", [*MANAGE, "load_example"])
        say(f"Starting the sandbox and the gateway (logs: {self.folder}/*.log)")
        sandbox = children.start("sandbox", [*MANAGE, "run_sandbox"])
        web = children.start("web", [*WEB, "--port", str(self.port)])
        children.wait_until_ready(sandbox, lambda: answers(f"{self.sandbox_url}/livez"))
        say(f"  sandbox ready at {self.sandbox_url}")
        children.wait_until_ready(web, lambda: answers(f"{self.url}/readyz"))
        say(f"  gateway ready at {self.url}")

    def _addresses(self) -> str:
        return "\n".join(
            [
                "",
                f"Shop            {self.url}/",
                f"Back office     {self.url}/admin/   (admin, password {DEVELOPMENT_PASSWORD})",
                f"API             {self.url}/api/v1/openapi.json   (key {TRY_OUT_API_KEY})",
                f"Health          {self.url}/readyz",
                f"Sandbox         {self.sandbox_url}/   (test cards: {self.sandbox_url}/scenarios/)",
                f"Its books       {self.sandbox_url}/books.json",
                f"Logs            {self.folder}/*.log",
                f"manage.py       DATABASE_URL={self.environment['DATABASE_URL']}",
                "",
                "Ctrl-C stops everything.",
            ]
        )


def answers(url: str) -> bool:
    """Return True if ``url`` answers 200."""
    try:
        with requests.Session() as session:
            session.trust_env = False
            return session.get(url, timeout=5).status_code == 200
    except requests.RequestException:
        return False
