"""A false address from a client beside the web process, which runs by its documented command."""

import os
import socket
import sys
from pathlib import Path

import pytest
import requests

from tests.support.program import ROOT, Program
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

FORGED = "203.0.113.66"


@pytest.mark.parametrize(
    ("settings", "counted"),
    [
        ({}, "127.0.0.1"),
        ({"FORWARDED_ALLOW_IPS": "192.0.2.0/24"}, "127.0.0.1"),
        ({"FORWARDED_ALLOW_IPS": "127.0.0.0/8"}, FORGED),
    ],
    ids=["no proxy is named", "another proxy is named", "it is the proxy"],
)
def test_only_a_proxy_that_is_named_can_say_whose_request_it_is(
    tmp_path: Path, settings: dict[str, str], counted: str
):
    [web] = [line for line in (ROOT / "Procfile").read_text().splitlines() if line.startswith("web: ")]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
    environment = {name: value for name, value in os.environ.items() if name != "FORWARDED_ALLOW_IPS"} | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "DJANGO_SETTINGS_MODULE": "payments_gateway.settings",
        "DATABASE_URL": f"sqlite:///{tmp_path / 'gateway.sqlite3'}",
        "BROKER_URL": "memory://",
        "HOST": "127.0.0.1",
        "WEB_PORT": port,
        **settings,
    }
    command = ["sh", "-c", f"python manage.py migrate --verbosity=0 && exec {web.removeprefix('web: ')}"]
    program = Program("web", command, log=tmp_path / "log", environment=environment)
    program.start()
    try:
        wait_until(lambda: is_answered(port), "the web process", seconds=100)
        refused = requests.get(
            f"http://127.0.0.1:{port}/api/v1/payments", headers={"X-Forwarded-For": FORGED}, timeout=10
        )
        assert refused.status_code == 401
        program.wait_for_line("request refused")
    finally:
        program.kill()
    [line] = [line for line in program.text().splitlines() if "request refused" in line]
    assert f"address={counted} " in f"{line} "


def is_answered(port: str) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/livez", timeout=5).ok
    except requests.RequestException:
        return False
