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
    """Yield the address of an empty virtual host, which is deleted afterwards.

    The broker must be one that RABBITMQ_CONTROL, or else `rabbitmqctl`, can administer from here.
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
    """Make the broker close every connection to this virtual host, as an operator would."""
    control("close_all_connections", "--vhost", urlsplit(url).path.removeprefix("/"), "test")


def queue_lengths(url: str) -> dict[str, int]:
    """Return the number of messages per queue of this virtual host, including unacknowledged ones."""
    vhost = urlsplit(url).path.removeprefix("/")
    table = control("list_queues", "--quiet", "--no-table-headers", "-p", vhost, "name", "messages")
    return {name: int(count) for name, count in (line.split("\t") for line in table.splitlines())}


def broker_pid() -> int:
    """Return the id of the broker's process. The broker may be on another machine."""
    return int(control("eval", "os:getpid().").strip().strip('"'))


def broker_folder() -> Path:
    """Return the folder in which the broker keeps its messages. It may be on another machine."""
    return Path(control("eval", "rabbit:data_dir().").strip().strip('"'))


def control(*arguments: str, program: str | None = None) -> str:
    """Run `rabbitmqctl`, or the given `program` in its place, and return its output."""
    command = [program or environment.RABBITMQ_CONTROL, *arguments]
    try:
        result = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True, timeout=50
        )
    except (OSError, subprocess.CalledProcessError) as error:
        detail = getattr(error, "stderr", "") or error
        environment.missing(f"a RabbitMQ that can be administered: {' '.join(command)}: {detail}")
    return result.stdout
