"""One broker user for each program, with the permissions that operators give them."""

import json
import tempfile
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from checkout.participants import participants
from messaging.access.definitions import definitions, exchange_definitions
from messaging.access.participants import Participant, Participants
from messaging.access.permissions import Permissions, permissions_of
from messaging.memory.server import MemoryServer
from messaging.topology import Topology
from tests.support.vhosts import binary, evaluate

# A broker user exists once for all virtual hosts and has rights in each, so all tests share the same users.
PASSWORD = "of a test and nothing else"
# Each right is a transaction in which all nodes of a cluster take part.
IMPORT_SECONDS = 150
# A merchant's program that may only read events, as `manage.py broker_users --listener` adds it.
LISTENER = Participant("warehouse", serves=False, listens=True, is_foreign=True)
EVERYTHING = Permissions(configure=".*", write=".*", read=".*", topics={})


def make_users(
    url: str,
    *,
    prefix: str = "checkout",
    program: str | None = None,
    table: Participants | None = None,
) -> None:
    """Create the users, with the rights that the documentation gives them in this address's virtual host.

    Without `table`, the gateway's table is used, and without `program` the `rabbitmqctl` for BROKER_URL.
    """
    topology, table = Topology(prefix), table or participants()
    passwords = {topology.user(each.name): PASSWORD for each in table}
    vhost = urlsplit(url).path.removeprefix("/").replace("%2F", "/")
    # In this order, as docs/database-and-broker.md says.
    _import(exchange_definitions(topology, vhost), program)
    _import(definitions(table, topology, vhost, passwords), program)


def _import(found: Mapping[str, Any], program: str | None) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(found, file)
        file.flush()
        # As `rabbitmqctl import_definitions` does.
        evaluate(
            f"{{ok, Text}} = file:read_file({binary(file.name)}), ok = rabbit_definitions:import_raw(Text).",
            program=program,
            seconds=IMPORT_SECONDS,
        )


def make_memory_users(url: str, *, prefix: str = "checkout", table: Participants | None = None) -> None:
    """Create the same users, with the same rights, on the in-memory broker of this address."""
    topology, server, table = Topology(prefix), MemoryServer.at(url), table or participants()
    for each in table:
        server.permissions[topology.user(each.name)] = permissions_of(each, topology, table)
    for queue in topology.common_queues:
        server.declare(topology, queue)
        for binding in queue.bindings:
            server.bind(queue.name, binding)


def let_do_anything(participant: str, url: str, *, prefix: str = "checkout") -> None:
    """Give a participant all rights, as a careless operator might."""
    user = Topology(prefix).user(participant)
    if url.startswith("memory:"):
        MemoryServer.at(url).permissions[user] = EVERYTHING
        return
    who = f"{binary(user)}, {binary(urlsplit(url).path.removeprefix('/'))}"
    everything = ", ".join(3 * [binary(EVERYTHING.configure)])
    # As `rabbitmqctl set_permissions` and `clear_topic_permissions` do.
    evaluate(
        f"""
        ok = rabbit_auth_backend_internal:set_permissions({who}, {everything}, <<"tests">>),
        ok = rabbit_auth_backend_internal:clear_topic_permissions({who}, <<"tests">>).""",
    )


def url_of(participant: str, url: str, *, prefix: str = "checkout") -> str:
    """Return the address of the same virtual host with the participant's user and password."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    user = quote(Topology(prefix).user(participant), safe="")
    return urlunsplit(parts._replace(netloc=f"{user}:{quote(PASSWORD)}@{host}"))
