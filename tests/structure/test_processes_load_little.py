"""Processes without pages load none, so that they start sooner and are smaller."""

import json
import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow
PAGES = {"checkout.backoffice.admin", "rest_framework.views", "drf_spectacular", "payments_gateway.urls"}
CALLS_OF_PROVIDERS = {"requests", "checkout.payments.providers.transport"}
FLOWS = {"checkout.payments.sagas.orchestration.orchestrator"}
WEBHOOKS = {"aiohttp"}
SMALL_SERVICES = ("risk", "orders", "ledger", "notifications")
# With a broker in memory these commands end, or only print help, after everything was loaded.
LOADED_BY = """
import atexit, json, sys
from django.core.management import execute_from_command_line
atexit.register(lambda: print(json.dumps(sorted(sys.modules))))
execute_from_command_line(["manage.py", *sys.argv[1:]])
"""


@pytest.mark.parametrize(
    ("command", "without"),
    [
        (["run_service", *SMALL_SERVICES], PAGES | CALLS_OF_PROVIDERS | FLOWS | WEBHOOKS),
        (["run_relay", "--help"], PAGES | CALLS_OF_PROVIDERS | WEBHOOKS),
        (["run_webhooks"], PAGES | CALLS_OF_PROVIDERS),
    ],
    ids=["services", "relay", "webhooks"],
)
def test_a_process_loads_nothing_that_it_does_not_use(command, without):
    loaded = modules_of(command)
    assert "checkout.payments.models" in loaded
    assert not without & loaded


def modules_of(command):
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "payments_gateway.settings", "BROKER_URL": ""}
    run = subprocess.run(
        [sys.executable, "-c", LOADED_BY, *command],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return set(json.loads(run.stdout.splitlines()[-1]))
