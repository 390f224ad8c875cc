"""Facts about the broker that only ``rabbitmqctl`` knows, which runs on the broker's machine."""

import json
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.management.base import CommandParser

from checkout.conf import conf
from messaging.broker import vhost_of
from messaging.inspection.differences import Bound, There

SECONDS = 30


class NotPossible(Exception):
    """``rabbitmqctl`` did not answer. The text gives the reason."""


def add_argument(parser: CommandParser) -> None:
    """Declare the argument ``--control``, the program that administers the broker."""
    parser.add_argument(
        "--control",
        default="",
        metavar="PROGRAM",
        help="rabbitmqctl, or a command that runs it, such as 'sudo rabbitmqctl': shows more",
    )


@dataclass(frozen=True, slots=True)
class Nodes:
    """The nodes of the broker by name. ``alarms`` has the resource and the node of each alarm.

    ``partitions`` has, for each node, the nodes to which its connection was lost. With Mnesia, the cluster
    does not reunite by itself.
    """

    members: frozenset[str]
    running: frozenset[str]
    in_maintenance: frozenset[str]
    partitions: Mapping[str, Sequence[str]]
    alarms: frozenset[tuple[str, str]]
    has_khepri: bool


def nodes(control: str) -> Nodes:
    """Return the state of the cluster's nodes. Raises ``NotPossible``."""
    status = _asked(control, "cluster_status")
    return Nodes(
        members=frozenset([*status["disk_nodes"], *status["ram_nodes"]]),
        running=frozenset(status["running_nodes"]),
        in_maintenance=frozenset(
            node for node, state in status["maintenance_status"].items() if state == "marked for maintenance"
        ),
        partitions=status["partitions"],
        alarms=frozenset((each.get("resource", each["type"]), each["node"]) for each in status["alarms"]),
        has_khepri=any(
            each["name"] == "khepri_db" and each["state"] == "enabled" for each in status["feature_flags"]
        ),
    )


def copies(control: str) -> dict[str, frozenset[str]]:
    """Return the nodes that keep a copy of each quorum queue. Raises ``NotPossible``."""
    rows = _table(control, "list_queues", "name", "type", "members")
    return {row["name"]: frozenset(row["members"]) for row in rows if row["type"] == "quorum"}


def there(control: str) -> There:
    """Return the exchanges, queues and bindings of the virtual host. Raises ``NotPossible``."""
    columns = ("source_name", "routing_key", "destination_name", "destination_kind", "arguments")
    bindings = _table(control, "list_bindings", *columns)
    exchanges = _table(control, "list_exchanges", "name", "type", "durable", "internal", "arguments")
    queues = _table(control, "list_queues", "name", "durable", "auto_delete", "arguments")
    return There(
        exchanges={row["name"]: _kind(row) for row in exchanges},
        queues={row["name"]: {**_arguments(row), **_unusual(row)} for row in queues},
        bindings=frozenset(
            Bound(
                row["source_name"],
                row["routing_key"],
                row["destination_name"],
                row["destination_kind"] == "queue",
                _arguments(row),
            )
            for row in bindings
            if row["source_name"]
        ),
    )


def use_of(control: str, queue: str) -> str:
    """Return the reason not to delete the queue; empty if it is running, empty and without readers."""
    try:
        rows = _table(control, "list_queues", "name", "state", "messages", "consumers")
    except NotPossible as error:
        return str(error)
    found = next((row for row in rows if row["name"] == queue), {"state": "not listed"})
    state, messages, consumers = found["state"], found.get("messages"), found.get("consumers")
    if (state, messages, consumers) == ("running", 0, 0):
        return ""
    return f"it is {state}, with {messages} messages and {consumers} readers, says {control}"


def _kind(row: dict[str, Any]) -> str:
    others = {**_arguments(row), **_unusual(row)}
    return " ".join([row["type"], *(f"{name}={value}" for name, value in others.items())])


def _arguments(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, _, value in row["arguments"]}


def _unusual(row: dict[str, Any]) -> dict[str, str]:
    """Return the properties in which an exchange or queue differs from ours, in the form of arguments."""
    usual = {"durable": True, "auto_delete": False, "internal": False}
    return {name: str(row[name]).lower() for name in usual if row.get(name, usual[name]) != usual[name]}


def permissions_of(control: str) -> dict[str, tuple[str, str, str]]:
    """Return the patterns by which each user may configure, write and read. Raises ``NotPossible``."""
    rows = _table(control, "list_permissions")
    return {row["user"]: (row["configure"], row["write"], row["read"]) for row in rows}


def _table(control: str, command: str, *columns: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = _asked(control, command, "-p", vhost_of(conf.broker_url), *columns)
    return rows


def _asked(control: str, command: str, *arguments: str) -> Any:
    try:
        whole = [*shlex.split(control), command, *arguments, "--formatter", "json", "--quiet"]
        done = subprocess.run(  # noqa: S603  the operator's own command
            whole, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS, check=True
        )
        return json.loads(done.stdout or "[]")
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        told = str(getattr(error, "stderr", "") or error).strip()
        raise NotPossible(f"{control} {command} did not answer: {told[:300]}") from error
