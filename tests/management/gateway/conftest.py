"""Fixtures: the command, in this process, and a broker on which the gateway's services run."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core.management import call_command

from checkout.backoffice.models import MerchantAccess
from checkout.management.gateway.expected import expected_queues
from messaging.registry import close_brokers, get_broker
from tests.support.waiting import wait_until

Gateway = Callable[..., tuple[int, str]]


@pytest.fixture
def gateway() -> Gateway:
    """Return a function that runs a sub-command and returns its exit code and output."""

    def run(*arguments: str) -> tuple[int, str]:
        output, code = StringIO(), 0
        try:
            call_command("gateway", *arguments, stdout=output)
        except SystemExit as end:
            code = int(end.code or 0)
        if "--json" not in arguments:
            assert all(len(line) <= 80 for line in output.getvalue().splitlines())
        return code, output.getvalue()

    return run


def as_json(output: str) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(output)
    return parsed


@pytest.fixture(params=["memory", pytest.param("rabbitmq", marks=pytest.mark.rabbitmq)])
def broker_url(request: pytest.FixtureRequest, settings: Any) -> str:
    """Return the address of a broker on which nothing exists yet; the settings point to it."""
    is_real = request.param == "rabbitmq"
    settings.BROKER_URL = request.getfixturevalue("rabbitmq_url") if is_real else f"memory://{uuid4().hex}"
    return str(settings.BROKER_URL)


class Readers:
    """Readers of all queues that a program reads, on an event loop of their own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._do(self._start())

    def _do(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    async def _start(self) -> None:
        broker = get_broker()
        await broker.wait_connected()
        for each in expected_queues():
            await broker.declare(each.queue)
            if each.command:
                await broker.consume(each.queue.name, lambda _delivery: None, prefetch=1)

    def stop(self) -> None:
        self._do(close_brokers())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture
def readers(broker_url: str, gateway: Gateway) -> Iterator[None]:
    """Run a reader of every queue."""
    running = Readers()

    def are_all_read() -> bool:
        _, output = gateway("topology", "--json")
        readers = {queue["name"]: queue["readers"] for queue in as_json(output)["queues"]}
        return all(readers[each.queue.name] for each in expected_queues() if each.command)

    try:
        wait_until(are_all_read, "readers of all queues")
        yield
    finally:
        running.stop()


@pytest.fixture
def ada(db: None) -> str:
    """Return the name of a member of staff who may requeue and deal with dead letters."""
    user = get_user_model()._default_manager.create(username="ada", is_staff=True)
    codenames = ("requeue_deadletter", "deal_with_deadletter")
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    MerchantAccess.objects.create(user=user, is_unlimited=True)
    get_user_model()._default_manager.create(username="bob", is_staff=True)
    return "ada"
