"""A RabbitMQ virtual host per test, so that no test sees another's queues."""

import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from tests.support import environment


@contextmanager
def fresh_vhost() -> Iterator[str]:
    """The address of an empty virtual host, which is deleted afterwards.

    A broker that `rabbitmqctl` cannot administer from here (set RABBITMQ_CONTROL) cannot be tested on.
    """
    url = urlsplit(environment.broker_url())
    name = f"test-{uuid.uuid4().hex[:12]}"
    control("add_vhost", name)
    try:
        control("set_permissions", "-p", name, url.username or "guest", ".*", ".*", ".*")
        yield urlunsplit(url._replace(path=f"/{name}"))
    finally:
        control("delete_vhost", name)


def close_connections(url: str) -> None:
    """Let the broker close every connection to this virtual host, as an operator would."""
    control("close_all_connections", "--vhost", urlsplit(url).path.removeprefix("/"), "test")


def queue_lengths(url: str) -> dict[str, int]:
    """Messages per queue of this virtual host, delivered but unacknowledged ones included."""
    vhost = urlsplit(url).path.removeprefix("/")
    table = control("list_queues", "--quiet", "--no-table-headers", "-p", vhost, "name", "messages")
    return {name: int(count) for name, count in (line.split("\t") for line in table.splitlines())}


def broker_pid() -> int:
    """The broker's process, which may be on another machine."""
    return int(control("eval", "os:getpid().").strip().strip('"'))


def broker_folder() -> Path:
    """The folder in which the broker keeps its messages, which may be on another machine."""
    return Path(control("eval", "rabbit:data_dir().").strip().strip('"'))


def control(*arguments: str, program: str | None = None) -> str:
    """Run `rabbitmqctl`, or the `program` that is it for another broker, and return what it prints."""
    command = [program or environment.RABBITMQ_CONTROL, *arguments]
    try:
        result = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True, timeout=50
        )
    except (OSError, subprocess.CalledProcessError) as error:
        detail = getattr(error, "stderr", "") or error
        environment.missing(f"a RabbitMQ that can be administered: {' '.join(command)}: {detail}")
    return result.stdout
