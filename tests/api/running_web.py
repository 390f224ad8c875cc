"""The web process of a try-out: SQLite, the in-memory broker, and no provider."""

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from tests.support.program import Program, run
from tests.support.waiting import wait_until

MANAGE = (sys.executable, "manage.py")


@contextmanager
def prepared_web(folder: Path) -> Iterator[tuple[Program, str]]:
    """Yield a web process that has not been started, with example data, and its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "payments_gateway.settings",
        "DATABASE_URL": f"sqlite:///{folder / 'db.sqlite3'}",
        "BROKER_URL": "memory://",
        "PUBLIC_URL": f"http://localhost:{port}",
        "CHECKOUT_TRY_OUT": "true",
        "CHECKOUT_ADMIN_PASSWORD": "checkout-admin",
    }
    for command in ("migrate", "load_example"):
        prepared = run([*MANAGE, command], environment)
        assert prepared.returncode == 0, prepared.stdout + prepared.stderr
    serve = (sys.executable, "-m", "uvicorn", "payments_gateway.asgi:application", "--port", str(port))
    program = Program("web", serve, log=folder / "log", environment=environment, may_be_forked=True)
    try:
        yield program, f"http://localhost:{port}"
    finally:
        program.kill()


def start(program: Program, url: str, **environment: str) -> None:
    """Start the process, and wait until it answers."""
    program.start(**environment)
    wait_until(lambda: _answers(url), "the web process", seconds=100)


def _answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/livez", timeout=5).status_code == 200
    except requests.RequestException:
        return False
