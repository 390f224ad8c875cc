"""The quickstart, followed to the letter beside a demonstration: a paid payment and a verified webhook."""

import json
import os
import re
import signal
import socket
import struct
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest
import requests

from checkout.conf.api import TRY_OUT_API_KEY
from checkout.webhooks.signing import Keys, headers
from scripts.services.process import free_port
from tests.support.pages import blocks_of, text_of
from tests.support.program import ROOT
from tests.support.waiting import wait_until

PAGE = text_of("docs/quickstart.md")
PROGRAMS = dict(re.findall(r"as `(receiver\.\w+)`:\n\n```\w+\n(.*?)```", PAGE, re.DOTALL))
TYPED = blocks_of(PAGE, "sh")


class Reader:
    """A reader who types the page's commands into a shell, using one of its two receivers."""

    def __init__(self, demo, folder: Path, receiver: str, order: str) -> None:
        # This demonstration has other ports, and each reader needs an order of its own. Without an address,
        # the purchase would be made at the demonstration that was started last, perhaps another test's.
        self._differs = {
            "http://localhost:8000": demo.url,
            "~/payments-gateway": f"{ROOT}",
            "4242": str(free_port()),
            "1001": order,
            "try_purchase": f"try_purchase --url {demo.url}",
        }
        environment = {**os.environ, "BROKER_URL": "memory://"}
        environment["DATABASE_URL"] = f"sqlite:///{folder / 'none.sqlite3'}"
        (folder / receiver).write_text(self._here(PROGRAMS[receiver]))
        self.seen = folder / "seen"
        (other,) = set(PROGRAMS) - {receiver}
        *self._steps, self._last = [self._here(step) for step in TYPED if other not in step]
        with self.seen.open("wb") as output:
            self._shell = subprocess.Popen(
                ["bash", "-e"],
                cwd=folder,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        """Stop the receiver as the page says, and check that it has worked."""
        if error is not None:
            # The shell may have ended at a command that failed, while its receiver still runs.
            with suppress(ProcessLookupError):
                os.killpg(self._shell.pid, signal.SIGKILL)
            self._shell.wait()
            return
        self._type(self._last)
        self._shell.stdin.close()
        assert self._shell.wait(30) == 0, self.seen.read_text()

    def follow(self) -> None:
        for step in self._steps:
            self._type(step)

    def sees(self, line: str) -> None:
        """Wait until a whole line of the terminal matches a pattern."""
        pattern = re.compile(rf"^{line}$", re.MULTILINE)

        def is_there() -> bool:
            has_ended = self._shell.poll() is not None  # at a command that failed
            is_seen = pattern.search(self.seen.read_text()) is not None
            assert is_seen or not has_ended, self.seen.read_text()
            return is_seen

        wait_until(is_there, f"{line} on the terminal", seconds=90)

    def _type(self, text: str) -> None:
        self._shell.stdin.write(text.encode())
        self._shell.stdin.flush()

    def _here(self, text: str) -> str:
        for written, here in self._differs.items():
            text = text.replace(written, here)
        return text


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("receiver", "order"),
    [
        ("receiver.py", "2001"),
        pytest.param("receiver.mjs", "2002", marks=pytest.mark.node),
    ],
)
def test_the_quickstart_leads_to_a_paid_payment_and_a_verified_webhook(demo, tmp_path, receiver, order):
    with Reader(demo, tmp_path, receiver, order) as reader:
        reader.follow()
        reader.sees("captured")  # the answer to the question about its state
        reader.sees("pending")  # the answer to the refund
        for event in (
            "payment.created",
            "payment.captured",
            "refund.succeeded",
            "payment.partially_refunded",
        ):
            reader.sees(rf"verified: \d+ {event} {order}")
    key = {"Authorization": f"Bearer {TRY_OUT_API_KEY}"}
    address = f"{demo.url}/api/v1/payments/by-order?order_reference={order}"
    payment = requests.get(address, headers=key, timeout=20).json()
    assert (payment["state"], payment["amounts"]["refunded"]) == ("partially_refunded", 250)


def test_the_demonstration_prints_the_key_of_the_page(demo):
    (key,) = re.findall(r"^KEY=(\S+)$", PAGE, re.MULTILINE)
    told = demo.folder.with_suffix(".log").read_text()
    assert re.findall(r"^API .*\(key (\S+)\)$", told, re.MULTILINE) == [key]
    assert "API=http://localhost:8000/api/v1\n" in PAGE
    (address,) = re.findall(r"^API +(\S+) ", told, re.MULTILINE)
    assert address == f"{demo.url}/api/v1/openapi.json"
    assert "/api/v1/payments" in requests.get(address, timeout=20).json()["paths"]


@pytest.mark.parametrize(
    ("program", "receiver"),
    [("python3", "receiver.py"), pytest.param("node", "receiver.mjs", marks=pytest.mark.node)],
)
def test_a_receiver_takes_genuine_webhooks_only(tmp_path, program, receiver):
    keys, port, body = Keys.new(), free_port(), b'{"id": "evt_1", "type": "webhook.test"}'
    seen = tmp_path / "seen"
    (tmp_path / receiver).write_text(PROGRAMS[receiver].replace("4242", str(port)))
    environment = {**os.environ, "WEBHOOK_SECRET": keys.secret}
    with seen.open("wb") as output:
        running = subprocess.Popen(
            [program, receiver], cwd=tmp_path, env=environment, stdout=output, stderr=output
        )

    def answers(signer: Keys, age: int = 0, sent: bytes = body, **others: str) -> int:
        signed = headers("evt_1", int(time.time()) - age, body, [signer])
        signed |= {f"webhook-{name}": value for name, value in others.items()}
        return requests.post(
            f"http://127.0.0.1:{port}/webhooks", sent, headers=signed, timeout=20
        ).status_code

    try:
        wait_until(lambda: listens(port), "the receiver")
        assert answers(keys) == 204
        assert answers(Keys.new()) == 400
        assert answers(keys, age=400) == 400
        assert answers(keys, age=-400) == 400
        assert answers(keys, sent=body + b" ") == 400
        assert answers(keys, timestamp="soon") == 400
        assert answers(keys, signature="") == 400
        assert answers(keys, timestamp="9" * 400) == 400
        # Anybody may send anything, and nothing of that ends the program.
        for request in (b"", b"Content-Length: 100\r\n\r\nabc", b"Content-Length: soon\r\n\r\n"):
            broken_off(port, request)
        with suppress(requests.ConnectionError):
            assert answers(keys, sent=b" " * 100_000) == 400
        assert answers(keys) == 204
        # Python's server also writes about lost connections.
        wait_until(lambda: seen.read_text().count("verified: ") == 2, "the lines of both test events")
        assert seen.read_text().count("verified: - webhook.test -\n") == 2
    finally:
        running.terminate()
        running.wait(20)


def test_webhooks_that_arrive_at_once_are_printed_on_a_line_each(tmp_path):
    """The receiver prints in a thread for each request, here with as many switches of threads as possible."""
    keys, port, number = Keys.new(), free_port(), 50
    (tmp_path / "receiver.py").write_text(PROGRAMS["receiver.py"].replace("4242", str(port)))
    seen = tmp_path / "seen"
    switching = "import runpy, sys; sys.setswitchinterval(1e-6); runpy.run_path('receiver.py')"
    with seen.open("wb") as output:
        running = subprocess.Popen(
            ["python3", "-c", switching],
            cwd=tmp_path,
            env={**os.environ, "WEBHOOK_SECRET": keys.secret},
            stdout=output,
            stderr=output,
        )

    def begun(sequence: int) -> tuple[socket.socket, bytes]:
        """Send a webhook without the end of its body. Return that end."""
        event = {"sequence": sequence, "type": "payment.captured", "order_reference": "1001"}
        body = json.dumps(event).encode()
        lines = [
            f"{name}: {value}" for name, value in headers("evt_1", int(time.time()), body, [keys]).items()
        ]
        head = "\r\n".join(["POST /webhooks HTTP/1.1", "Host: shop", f"Content-Length: {len(body)}", *lines])
        client = socket.create_connection(("127.0.0.1", port), timeout=20)
        client.sendall(f"{head}\r\n\r\n".encode() + body[:-1])
        return client, body[-1:]

    try:
        wait_until(lambda: listens(port), "the receiver")
        clients = [begun(sequence) for sequence in range(number)]
        for client, end in clients:
            client.sendall(end)
        for client, _ in clients:
            with client:
                assert b" 204 " in client.recv(100)
        # The receiver answers before it prints.
        wait_until(lambda: seen.read_text().count("\n") >= number, "a line for each of them")
    finally:
        running.terminate()
        running.wait(20)
    lines = {f"verified: {each} payment.captured 1001" for each in range(number)}
    assert set(seen.read_text().splitlines()) == lines


def broken_off(port: int, rest: bytes) -> None:
    """Send a part of a request, and reset the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(b"POST /webhooks HTTP/1.1\r\nHost: shop\r\n" + rest)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def listens(port: int) -> bool:
    """Return True if a program accepts connections there."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
