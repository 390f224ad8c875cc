"""The code of docs/own-flow.md, run as it stands, in a project of its own."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.pages import blocks_of
from tests.support.program import ROOT

PAGE = ROOT / "docs" / "own-flow.md"
SETTINGS = """
SECRET_KEY = "x"
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = ["signup"]
DATABASES = {{"default": {{
    "ENGINE": "django.db.backends.sqlite3",
    "NAME": "signup.sqlite3",
    "OPTIONS": {{"transaction_mode": "IMMEDIATE", "timeout": 20}},
}}}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
ROOT_URLCONF = "signup.urls"
BROKER_URL = "{url}"
MESSAGING_PREFIX = "signup"
MESSAGING_SINGLE_BROKER_USER = True
CHANNEL_LAYERS = {{"default": {{
    "BACKEND": "messaging.channels.layer.RabbitmqChannelLayer",
    "CONFIG": {{"url": BROKER_URL, "prefix": MESSAGING_PREFIX}},
}}}}
"""
# Dan registers while the service of mailboxes does not run yet, so that his flow has to ask again.
DRIVER = """
import asyncio, json, os
os.environ["DJANGO_SETTINGS_MODULE"] = "project"
import django
django.setup()
from django.core.management import call_command
from django.test import AsyncClient
call_command("migrate", run_syncdb=True, verbosity=0)
from signup import flow
from signup.models import InboxMessage, OutboxMessage, Registration, Taken
from signup.services import STEPS
from messaging.concurrency.database import in_thread
from messaging.envelope import Envelope
from messaging.outbox.rows import OutboxRows
from messaging.outbox.relay import Relay
from messaging.registry import close_brokers, get_broker
from messaging.worker.worker import Worker

flow.CHECK_SECONDS = 1.0

def half_registered():
    row = Registration.objects.create(name="Odd", step=1, awaiting="odd")
    for service in ("accounts", "mailboxes"):
        Taken.objects.create(service=service, name="Odd", registration=row.pk)
    return row.pk

async def main():
    broker, client, stop = get_broker(), AsyncClient(), asyncio.Event()
    broker.open()
    await broker.wait_connected()

    def run(service):
        worker = Worker(broker, service, inbox_model=InboxMessage, outbox_model=OutboxMessage)
        return asyncio.create_task(worker.run(stop))

    async def ended(answer):
        while answer.status_code == 202:
            await asyncio.sleep(0.05)
            answer = await client.get(f"/{answer.json()['registration']}/")
        return [answer.status_code, answer.json()["why"]]

    accounts, mailboxes, billing = STEPS
    tasks = [run(each) for each in (flow.flow, accounts, billing)]
    rows = OutboxRows(OutboxMessage, print)
    tasks.append(asyncio.create_task(Relay(broker, rows, poll_seconds=0.1).run(stop)))
    dan = await client.get("/register/Dan/")
    tasks.append(run(mailboxes))
    told = {"Dan at first": dan.status_code, "Dan": await ended(dan)}
    for name in ("Ann", "Ann", "Poor Bob"):
        told.setdefault(name, []).append(await ended(await client.get(f"/register/{name}/")))
    # Mailboxes has carried the command out, but its answer cannot be read.
    odd = await in_thread(half_registered)
    reply = Envelope(type="reply", body=b"{}", correlation_id="odd")
    queue = broker.topology.reply_queue("signup").name
    await broker.publish(broker.topology.replies, queue, reply, timeout_seconds=10)
    told["Odd"] = await ended(await client.get(f"/{odd}/"))
    names = lambda: sorted(Taken.objects.values_list("name", "service"))
    told["taken"] = await in_thread(names)
    told["unknown"] = (await client.get("/4711/")).status_code
    stop.set()
    await asyncio.gather(*tasks)
    await close_brokers()
    return told

print(json.dumps(asyncio.run(asyncio.wait_for(main(), 60))))
"""


def run(folder: Path, url: str) -> dict[str, Any]:
    (folder / "signup").mkdir()
    (folder / "signup" / "__init__.py").touch()
    for block in blocks_of(PAGE, "python"):
        (folder / block.splitlines()[0].removeprefix("# ")).write_text(block)
    (folder / "project.py").write_text(SETTINGS.format(url=url))
    (folder / "drive.py").write_text(DRIVER)
    done = subprocess.run(
        [sys.executable, "drive.py"],
        cwd=folder,
        env={"PYTHONPATH": f"{folder}:{ROOT}", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


@pytest.mark.slow
@pytest.mark.parametrize("url", ["memory://", pytest.param("rabbitmq", marks=pytest.mark.rabbitmq)])
def test_the_flow_registers_refuses_undoes_and_asks_again(
    tmp_path: Path, url: str, request: pytest.FixtureRequest
):
    told = run(tmp_path, request.getfixturevalue("rabbitmq_url") if url == "rabbitmq" else url)
    assert told["Dan at first"] == 202
    assert told["Dan"] == [201, ""]
    assert told["Ann"] == [[201, ""], [409, "Ann is taken in accounts."]]
    assert told["Poor Bob"] == [[409, "Poor Bob has no credit."]]
    assert told["Odd"][0] == 409
    assert told["unknown"] == 404
    whole = ["accounts", "billing", "mailboxes"]
    assert told["taken"] == [[name, service] for name in ("Ann", "Dan") for service in whole]


def test_the_page_is_short():
    lines = [line for line in PAGE.read_text().splitlines() if line.strip()]
    assert len(lines) <= 160
