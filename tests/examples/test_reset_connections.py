"""The examples in Python start again when their connection is reset, at whatever moment."""

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from runpy import run_path

import pika
import pytest
from pika.exceptions import AMQPError

from tests.examples.programs import EXAMPLES

# One reset in a hundred comes between pika's connecting and its first look at the peer.
RESETS = 400
AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER


@pytest.fixture
def port() -> Iterator[int]:
    """Yield the port of a server that resets each connection, as a proxy without a broker does."""
    server = socket.create_server(("127.0.0.1", 0))

    def reset_each() -> None:
        with contextlib.suppress(OSError):  # the end of the test
            while True:
                connection, _ = server.accept()
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
                connection.close()

    serving = threading.Thread(target=reset_each)
    serving.start()
    yield server.getsockname()[1]
    server.shutdown(socket.SHUT_RDWR)
    serving.join()
    server.close()


@pytest.mark.parametrize("program", ["events-python/subscriber.py", "orders-python/service.py"])
def test_a_connection_that_is_reset_while_it_is_made_is_a_lost_one(
    program: str, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DATABASE", "BROKER_URL", "SECRET_KEY"):
        monkeypatch.setenv(name, "amqp://localhost/")
    monkeypatch.syspath_prepend(str((EXAMPLES / program).parent))
    connected = run_path(str(EXAMPLES / program))["connected"]
    for _ in range(RESETS):
        with pytest.raises((AMQPError, OSError)):
            connected(pika.ConnectionParameters("127.0.0.1", port))
