"""RabbitMQ's definitions for one installation: its virtual host, users, permissions, exchanges, dead letters.

``rabbitmqctl import_definitions`` reads them (RabbitMQ, "Schema Definition Export and Import"). A repeated
import applies changes and removes nothing.
"""

import base64
import hashlib
import secrets
from collections.abc import Mapping
from typing import Any

from messaging.access.participants import Participants
from messaging.access.permissions import permissions_of
from messaging.topology import Topology


def exchange_definitions(topology: Topology, vhost: str) -> dict[str, Any]:
    """Return the definitions of the virtual host and its exchanges alone.

    RabbitMQ 4.0 with Khepri must have the exchanges before the rights to their topics. Otherwise it reports
    success, and those exchanges can never be made (rabbitmq-server, pull request 14407, fixes it).
    """
    return {
        "vhosts": [{"name": vhost}],
        "exchanges": [
            {
                "name": exchange.name,
                "vhost": vhost,
                "type": exchange.kind,
                "durable": True,
                "auto_delete": False,
                "internal": False,
                "arguments": {},
            }
            for exchange in topology.exchanges
        ],
    }


def definitions(
    table: Participants, topology: Topology, vhost: str, passwords: Mapping[str, str]
) -> dict[str, Any]:
    """Return the definitions, ready for JSON. For users without a password they contain only the rights.

    Exchanges, the queues of dead letters and those of foreign programs are included because their users may
    not declare them.
    """
    foreign = [topology.event_queue(each.name, ()) for each in table if each.is_foreign]
    queues = (*topology.common_queues, *foreign)
    rights = {topology.user(each.name): permissions_of(each, topology, table) for each in table}
    return {
        **exchange_definitions(topology, vhost),
        "users": [
            {
                "name": user,
                "password_hash": _hash(passwords[user]),
                "hashing_algorithm": "rabbit_password_hashing_sha256",
                "tags": [],
            }
            for user in rights
            if user in passwords
        ],
        "permissions": [
            {
                "user": user,
                "vhost": vhost,
                "configure": each.configure,
                "write": each.write,
                "read": each.read,
            }
            for user, each in rights.items()
        ],
        "topic_permissions": [
            {"user": user, "vhost": vhost, "exchange": exchange, "write": topics.write, "read": topics.read}
            for user, each in rights.items()
            for exchange, topics in each.topics.items()
        ],
        # Spreads the leaders of new queues over the nodes of a cluster. A queue has only one policy, and this
        # one has a low priority, so that those of operators come first.
        "policies": [
            {
                "vhost": vhost,
                "name": topology.prefix,
                "pattern": topology.replicated,
                "apply-to": "quorum_queues",
                "definition": {"queue-leader-locator": "balanced"},
                "priority": -1,
            }
        ],
        "queues": [
            {
                "name": queue.name,
                "vhost": vhost,
                "durable": True,
                "auto_delete": False,
                "arguments": dict(queue.arguments),
            }
            for queue in queues
        ],
        "bindings": [
            {
                "source": binding.exchange,
                "vhost": vhost,
                "destination": queue.name,
                "destination_type": "queue",
                "routing_key": binding.key,
                "arguments": {},
            }
            for queue in queues
            for binding in queue.bindings
        ],
    }


def _hash(password: str) -> str:
    """Return the password's hash as RabbitMQ stores it (RabbitMQ, "Passwords")."""
    salt = secrets.token_bytes(4)
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()
