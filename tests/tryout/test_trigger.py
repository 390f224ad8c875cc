"""Every event that `gateway trigger` lists really happens in a demonstration."""

import json
import os
import sys

import pytest

from checkout.tryout.events import EVENTS
from tests.support.program import run
from tests.tryout.running_demo import RunningDemo


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
    command = [sys.executable, "manage.py", "gateway", "trigger", name, "--url", demo.url, "--json"]
    done = run(command, environment)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["state"] in EVENTS[name].final_states
