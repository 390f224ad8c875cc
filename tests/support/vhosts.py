"""A RabbitMQ virtual host per test, so that no test sees another's queues."""

import atexit
import json
import shutil
import subprocess
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from tests.support import environment

# A call of rabbitmqctl takes half a second of processor time, so one call makes the hosts of several tests.
BATCH = 10
_unused: list[str] = []
_used: list[str] = []


@contextmanager
def fresh_vhost() -> Iterator[str]:
    """Yield the address of an empty virtual host, which is deleted with the others of its batch.

    The broker must be one that RABBITMQ_CONTROL, or else `rabbitmqctl`, can administer from here.
    """
    url = urlsplit(environment.broker_url())
    if not _unused:
        _replace_used(BATCH, url.username or "guest")
    name = _unused.pop()
    try:
        yield urlunsplit(url._replace(path=f"/{name}"))
    finally:
        _used.append(name)


def _replace_used(number: int, user: str) -> None:
    """Delete the virtual hosts of ended tests, and make as many new ones, with all rights for `user`."""
    names = [f"test-{uuid.uuid4().hex[:12]}" for _ in range(number)]
    everything = ", ".join(['<<".*">>'] * 3)
    evaluate(
        f"""
        [rabbit_vhost:delete(Host, <<"tests">>) || Host <- {_binaries(_used)}],
        [begin
            ok = rabbit_vhost:add(Host, <<"tests">>),
            rabbit_auth_backend_internal:set_permissions({binary(user)}, Host, {everything}, <<"tests">>)
         end || Host <- {_binaries(names)}].""",
    )
    _used.clear()
    _unused.extend(names)


def _binaries(texts: Sequence[str]) -> str:
    return f"[{', '.join(map(binary, texts))}]"


def binary(text: str) -> str:
    """Return the text as an Erlang binary, whose escapes for ASCII are those of JSON."""
    return f"<<{json.dumps(text)}>>"


@atexit.register
def _delete_all() -> None:
    _used.extend(_unused)
    # A server that was started for this program alone has ended, with its virtual hosts.
    with suppress(pytest.skip.Exception):
        if _used:
            _replace_used(0, "")


def close_connections(url: str) -> None:
    """Make the broker close every connection to this virtual host, as an operator would."""
    control("close_all_connections", "--vhost", urlsplit(url).path.removeprefix("/"), "test")


def queue_lengths(url: str) -> dict[str, int]:
    """Return the number of messages per queue of this virtual host, including unacknowledged ones."""
    vhost = urlsplit(url).path.removeprefix("/")
    table = control("list_queues", "--quiet", "--no-table-headers", "-p", vhost, "name", "messages")
    return {name: int(count) for name, count in (line.split("\t") for line in table.splitlines())}


def broker_pid() -> int:
    """Return the id of the broker's process, which may be on another machine."""
    return int(evaluate("os:getpid().").strip('"'))


def broker_folder() -> Path:
    """Return the folder in which the broker, perhaps on another machine, keeps its messages."""
    return Path(evaluate("rabbit:data_dir().").strip('"'))


def evaluate(erlang: str, *, program: str | None = None, seconds: float = 50) -> str:
    """Run an expression on the node of `control`, and return its value as Erlang writes it.

    The servers that we start have a script for that, which is a hundred times as fast.
    """
    script = Path(program or environment.RABBITMQ_CONTROL).with_name("evaluate")
    if not (script.is_file() and shutil.which("erl_call")):
        return control("eval", erlang, program=program, seconds=seconds).strip()
    run = subprocess.run(
        [script], input=f"{erlang}\n", capture_output=True, text=True, timeout=seconds, check=False
    )
    if not run.stdout.startswith("{ok, "):
        environment.missing(f"a RabbitMQ that can be administered: {erlang}: {run.stdout}{run.stderr}")
    return run.stdout.removeprefix("{ok, ").removesuffix("}")


def control(*arguments: str, program: str | None = None, seconds: float = 50) -> str:
    """Run `rabbitmqctl`, or `program` in its place, for so many seconds at most, and return its output."""
    command = [program or environment.RABBITMQ_CONTROL, *arguments]
    try:
        result = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True, timeout=seconds
        )
    except (OSError, subprocess.CalledProcessError) as error:
        detail = getattr(error, "stderr", "") or error
        environment.missing(f"a RabbitMQ that can be administered: {' '.join(command)}: {detail}")
    return result.stdout
