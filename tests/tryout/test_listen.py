"""`gateway listen` beside a demonstration: a local program gets the events as webhooks that it can verify."""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from standardwebhooks.webhooks import Webhook

from checkout.tryout.purchase import play
from checkout.tryout.scenarios import SCENARIOS
from scripts.services.process import free_port
from tests.support.posts import Headers, answered
from tests.support.program import Program
from tests.support.waiting import wait_until
from tests.tryout.running_demo import RunningDemo, manage

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@contextmanager
def listening(url: str, folder: Path, *options: str) -> Iterator[Program]:
    """Run the command in an environment without a gateway's database."""
    command = [sys.executable, "manage.py", "gateway", "listen", "--url", url, *options]
    nowhere = f"sqlite:///{folder / 'none.sqlite3'}"
    environment = {**os.environ, "BROKER_URL": "memory://", "DATABASE_URL": nowhere, "PYTHONUNBUFFERED": "1"}
    program = Program("listen", command, log=folder / "listen.log", environment=environment)
    program.start()
    try:
        yield program
    finally:
        program.kill()


def test_a_local_program_gets_each_event_once_as_a_webhook_that_it_can_verify(
    demo: RunningDemo, tmp_path: Path
) -> None:
    received: list[tuple[bytes, dict[str, str]]] = []

    def take(body: bytes, headers: Headers) -> tuple[int, bytes]:
        received.append((body, dict(headers)))
        return 204, b""

    with answered(take) as url, listening(demo.url, tmp_path, "--forward-to", f"{url}/webhooks") as program:
        program.wait_for_line("until Ctrl-C.")
        wait_until(lambda: "payment.created" in types_after_a_purchase(demo, program), "the first event")
        mine = re.findall(r"payment\.created  (pay_\w+)", program.text())[-1]
        ended = re.compile(rf"payment\.captured  {mine}  \S+  → 204")
        wait_until(lambda: ended.search(program.text()), "the payment's end on the terminal")
    (secret,) = re.findall(r"whsec_\S+", program.text())
    events = [Webhook(secret).verify(body, headers) for body, headers in received]
    assert len({event["id"] for event in events}) == len(events)
    of_mine = [event for event in events if event["payment"] == mine]
    assert [event["sequence"] for event in of_mine] == list(range(1, len(of_mine) + 1))
    assert of_mine[-1]["data"]["object"]["state"] == "captured"
    assert of_mine[-1]["api_version"]


def types_after_a_purchase(demo: RunningDemo, program: Program) -> list[str]:
    """Buy an item, and return the types on the terminal. The first purchases may precede the listening."""
    play(SCENARIOS["frictionless"], demo.url)
    return re.findall(r"^\S+  (\S+)  pay_", program.text(), re.MULTILINE)


def test_a_gateway_that_is_away_is_tried_again(tmp_path: Path) -> None:
    with listening(f"http://127.0.0.1:{free_port()}", tmp_path) as program:
        wait_until(lambda: program.text().count("Trying again in 2 s.") > 1, "two tries")


def test_a_key_that_the_gateway_refuses_ends_the_command(demo: RunningDemo) -> None:
    environment = {**os.environ, "API_KEY": "sk_test_nobody", "BROKER_URL": "memory://"}
    done = manage("gateway", "listen", "--url", demo.url, environment=environment)
    assert done.returncode == 1
    assert "CommandError: " in done.stderr
    assert "key" in done.stderr
