"""Every event of the list really happens in a demonstration; nothing happens anywhere else."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import CommandError

from checkout.payments.events import EVENT_TYPES
from checkout.tryout.events import ALIASES, EVENTS
from tests.management.gateway.conftest import Gateway
from tests.support.program import ROOT
from tests.tryout.running_demo import RunningDemo


def test_the_list_is_closed(gateway: Gateway):
    _, output = gateway("trigger")
    assert all(name in output for name in (*EVENTS, *ALIASES))
    assert set(ALIASES.values()) <= set(EVENTS)
    with pytest.raises(CommandError, match=r"There is no event 'payment.stolen'. Known: payment.authorised"):
        gateway("trigger", "payment.stolen")


def test_the_names_are_those_of_the_types_that_merchants_are_told_of():
    assert {*EVENTS, *ALIASES} <= set(EVENT_TYPES)


def test_where_real_money_is_paid_nothing_is_triggered(gateway: Gateway, settings: Any):
    settings.CHECKOUT_TRY_OUT = False
    with pytest.raises(CommandError, match="This is no try-out"):
        gateway("trigger", "payment.captured")


def test_a_gateway_that_is_not_there_is_told(gateway: Gateway, db: None):
    with pytest.raises(CommandError, match=r"There is no merchant 'example': run manage.py load_example"):
        gateway("trigger", "payment.captured", "--url", "http://127.0.0.1:1")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDemo]:
    demo = RunningDemo(tmp_path_factory.mktemp("demo"))
    program = demo.program()
    program.start()
    try:
        program.wait_for_line("Ctrl-C stops everything", seconds=150)
        yield demo
    finally:
        program.terminate()


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", EVENTS)
def test_the_event_happens(demo: RunningDemo, name: str):
    environment = {
        **os.environ,
        "BROKER_URL": "memory://",
        "DATABASE_URL": f"sqlite:///{demo.folder / 'gateway.sqlite3'}",
        "SANDBOX_URL": demo.sandbox_url,
        "DJANGO_SETTINGS_MODULE": "payments_gateway.settings",
    }
    done = subprocess.run(
        [sys.executable, "manage.py", "gateway", "trigger", name, "--url", demo.url, "--json"],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["state"] in EVENTS[name].ends
