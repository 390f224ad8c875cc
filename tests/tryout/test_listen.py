"""`gateway listen` beside a demonstration: a local program gets the events as webhooks that it can verify."""

import os
import re
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook

from checkout.tryout.purchase import play
from checkout.tryout.scenarios import SCENARIOS
from scripts.services.process import free_port
from tests.support.program import Program
from tests.support.waiting import wait_until
from tests.tryout.running_demo import RunningDemo, manage

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


class Receiver(HTTPServer):
    """A program of a merchant that keeps what it receives."""

    def __init__(self) -> None:
        self.received: list[tuple[bytes, dict[str, str]]] = []
        received = self.received

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                received.append((body, dict(self.headers)))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/webhooks"


def listening(url: str, folder: Path, *options: str) -> Program:
    """Return the command, in an environment that has no database of a gateway."""
    command = [sys.executable, "manage.py", "gateway", "listen", "--url", url, *options]
    nowhere = f"sqlite:///{folder / 'none.sqlite3'}"
    environment = {**os.environ, "BROKER_URL": "memory://", "DATABASE_URL": nowhere, "PYTHONUNBUFFERED": "1"}
    return Program("listen", command, log=folder / "listen.log", environment=environment)


def test_a_local_program_gets_each_event_once_as_a_webhook_that_it_can_verify(
    demo: RunningDemo, tmp_path: Path
) -> None:
    receiver = Receiver()
    program = listening(demo.url, tmp_path, "--forward-to", receiver.url)
    program.start()
    try:
        program.wait_for_line("until Ctrl-C.")
        wait_until(lambda: "payment.created" in types_after_a_purchase(demo, program), "the first event")
        mine = re.findall(r"payment\.created  (pay_\w+)", program.text())[-1]
        ended = re.compile(rf"payment\.captured  {mine}  \S+  → 204")
        wait_until(lambda: ended.search(program.text()), "the payment's end on the terminal")
    finally:
        program.kill()
        receiver.shutdown()
        receiver.server_close()
    (secret,) = re.findall(r"whsec_\S+", program.text())
    events = [Webhook(secret).verify(body, headers) for body, headers in receiver.received]
    assert len({event["id"] for event in events}) == len(events)
    of_mine = [event for event in events if event["payment"] == mine]
    assert [event["sequence"] for event in of_mine] == list(range(1, len(of_mine) + 1))
    assert of_mine[-1]["data"]["object"]["state"] == "captured"
    assert of_mine[-1]["api_version"]


def types_after_a_purchase(demo: RunningDemo, program: Program) -> list[str]:
    """Buy something, and return the types on the terminal. The first purchases may precede the listening."""
    play(SCENARIOS["frictionless"], demo.url)
    return re.findall(r"^\S+  (\S+)  pay_", program.text(), re.MULTILINE)


def test_a_gateway_that_is_away_is_tried_again(tmp_path: Path) -> None:
    program = listening(f"http://127.0.0.1:{free_port()}", tmp_path)
    program.start()
    try:
        wait_until(lambda: program.text().count("Trying again in 2 s.") > 1, "two tries")
    finally:
        program.kill()


def test_a_key_that_the_gateway_refuses_ends_the_command(demo: RunningDemo) -> None:
    environment = {**os.environ, "API_KEY": "sk_test_nobody", "BROKER_URL": "memory://"}
    done = manage("gateway", "listen", "--url", demo.url, environment=environment)
    assert done.returncode == 1
    assert "CommandError: " in done.stderr
    assert "key" in done.stderr
