"""The servers and processes of a campaign, and the links between them, all of which it may break."""

import asyncio
import contextlib
import logging
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp

from scripts.services.postgresql import Postgresql
from scripts.services.rabbitmq import Rabbitmq
from tests.faults import settings
from tests.faults.databases import RECORD_RELEASES, Databases, databases_on
from tests.faults.listener import Listener
from tests.support.cluster import Cluster
from tests.support.databases import only_own
from tests.support.program import Program
from tests.support.proxies import Proxies
from tests.support.proxy import Proxy
from tests.support.stack import Stack
from tests.support.standby import Pair

COPIES = {"checkout": 2, "payments": 2, "relay": 2}
SEND_NO_KEYS = """
UPDATE payments_provideraccount SET options = options || '{"idempotency_keys": "off"}'
"""
# The processes that reach broker and database through breakable links. The others connect directly.
LINKED = ("web", "checkout-2", "payments-2", "relay-2")


@dataclass(frozen=True)
class Site:
    """The services, the stack and the links. `broker_link` and `database_link` serve the processes in LINKED.

    `provider_link` serves every process of the stack, and `broker_link` also the `listener`.
    """

    folder: Path
    rabbitmq: Rabbitmq | Cluster
    postgresql: Postgresql | Pair
    stack: Stack
    listener: Listener
    databases: Databases
    broker_link: Proxies
    database_link: Proxy
    provider_link: Proxy

    @property
    def is_clustered(self) -> bool:
        return isinstance(self.rabbitmq, Cluster)

    @property
    def has_standby(self) -> bool:
        return isinstance(self.postgresql, Pair)

    @property
    def programs(self) -> Mapping[str, Program]:
        return self.stack.programs

    async def rabbitmqctl(self, *arguments: str) -> str:
        return await asyncio.to_thread(self._rabbitmqctl, *arguments)

    def rows(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Run a statement on a new connection to the payments' database and return the rows, if any."""
        return self.databases.rows(query, *parameters)

    async def set_scenario(self, setting: Mapping[str, Any]) -> dict[str, Any]:
        """Change the sandbox's settings. Return all settings and the faults so far."""
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{self.stack.sandbox_url}/scenarios/", json=setting) as response,
        ):
            response.raise_for_status()
            listing: dict[str, Any] = await response.json()
            return listing

    def _rabbitmqctl(self, *arguments: str) -> str:
        command = [self.rabbitmq.environment["RABBITMQ_CONTROL"], *arguments]
        result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=90)
        if result.returncode:
            raise RuntimeError(f"rabbitmqctl {' '.join(arguments)}: {result.stdout}{result.stderr}")
        return result.stdout


@asynccontextmanager
async def opened(
    mutant: str = "",
    logs: Path | None = None,
    environment: Mapping[str, str] | None = None,
    databases: int = 1,
    *,
    is_clustered: bool = False,
    has_standby: bool = False,
    has_keys: bool = True,
) -> AsyncIterator[Site]:
    """Yield a site that is ready. `mutant` names a defence that the site lacks. Logs are copied to `logs`.

    `environment` overrides the campaign's settings. With 5 `databases`, orders, risk, ledger and receipts
    have databases of their own, and their services reach no others. A broker that `is_clustered` has three
    nodes. If the server `has_standby`, the link leads to the primary, and the processes without the link know
    both servers. Unless it `has_keys`, the account sends no idempotency keys, and the provider refuses them.
    """
    with contextlib.ExitStack() as closing:
        folder = Path(closing.enter_context(tempfile.TemporaryDirectory(prefix="campaign-")))
        # If we are root, PostgreSQL runs as another user, which must be able to enter this folder.
        folder.chmod(0o711)  # noqa: ASYNC240
        rabbitmq = (Cluster if is_clustered else Rabbitmq)(folder / "rabbitmq")
        postgresql = (Pair if has_standby else Postgresql)(folder / "postgresql", durable=True)
        for service in (rabbitmq, postgresql):
            await asyncio.to_thread(service.start)
            closing.callback(service.stop)
        broker_url = rabbitmq.environment["BROKER_URL"]
        used = await asyncio.to_thread(databases_on, postgresql.environment["DATABASE_URL"], databases)
        links = Proxies(broker_url), Proxy(postgresql.url)
        for link in links:
            await link.accept()
        linked = {"BROKER_URL": links[0].url, **used.through(links[1].url).environment}
        mutation = (
            {"DJANGO_SETTINGS_MODULE": "tests.support.mutant_settings", "MUTANT": mutant} if mutant else {}
        )
        stack = Stack(
            folder,
            broker_url=broker_url,
            database_url=used.default,
            webs=2,
            copies=COPIES,
            environment={
                **settings.PRODUCT,
                **settings.SANDBOX,
                **({} if has_keys else settings.SANDBOX_WITHOUT_KEYS),
                **used.environment,
                **(environment or {}),
                **mutation,
            },
            own={**dict.fromkeys(LINKED, linked), **only_own(used.environment)},
            control=rabbitmq.environment["RABBITMQ_CONTROL"],
        )
        provider_link = Proxy(stack.sandbox_url)
        await provider_link.accept()
        await asyncio.to_thread(stack.manage, "migrate", "--verbosity=0")
        closing.callback(stack.stop)
        await asyncio.to_thread(stack.start)
        listener = Listener(folder, links[0].url)
        await asyncio.to_thread(listener.start, stack, rabbitmq.environment["RABBITMQ_CONTROL"])
        closing.callback(listener.stop)
        site = Site(folder, rabbitmq, postgresql, stack, listener, used, *links, provider_link)
        await asyncio.to_thread(partial(used.rows, RECORD_RELEASES, of="orders"))
        await asyncio.to_thread(_reach_provider_by_link, site)
        if not has_keys:
            await asyncio.to_thread(site.rows, SEND_NO_KEYS)
        try:
            yield site
        finally:
            await asyncio.to_thread(stack.stop)
            if logs is not None:
                await asyncio.to_thread(_keep_logs, [*stack.programs.values(), listener.program], logs)
            for link in (*links, provider_link):
                await link.close()


def _keep_logs(programs: Iterable[Program], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for program in programs:
        if program.log.exists():
            shutil.copy(program.log, folder)


def _reach_provider_by_link(site: Site) -> None:
    site.rows(
        "UPDATE payments_provideraccount SET endpoint = replace(endpoint, %s, %s)",
        site.stack.sandbox_url,
        site.provider_link.url,
    )


def use_database(site: Site) -> None:
    """Set Django up in this process, to use the site's database."""
    import django
    from django.conf import settings

    # Settings that were read before the site existed would be those of another database.
    assert not settings.configured, "An import has read Django's settings: unset DJANGO_SETTINGS_MODULE."
    os.environ.update(site.stack.environment)
    django.setup()
    # This process meets the injected faults, too, so its warnings are expected.
    logging.disable(logging.WARNING)
