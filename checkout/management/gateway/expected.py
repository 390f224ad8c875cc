"""The queues that should exist on the broker, and the program that reads each queue."""

from dataclasses import dataclass

from checkout.conf import conf
from checkout.participants import participants
from checkout.running.services import SERVICES
from checkout.webhooks.service import service as webhooks
from messaging.topology import Queue, Topology


@dataclass(frozen=True, slots=True)
class Expected:
    """A queue, and the program that reads it with the command to start it, both empty for parked messages."""

    queue: Queue
    program: str
    command: str


def topology() -> Topology:
    """Return the names of exchanges and queues of this installation."""
    return Topology(conf.prefix, conf.quorum_group_size)


def expected_queues() -> list[Expected]:
    """Return every durable queue of this installation.

    Queues of single processes and of other listening programs are left out, because they exist only while
    their owners do.
    """
    names = topology()
    queues = []
    for participant in participants():
        if participant.serves:
            is_python = participant.name in SERVICES
            command = f"{'manage.py run_service' if is_python else 'your service'} {participant.name}"
            queues.append(Expected(names.service_queue(participant.name), participant.name, command))
            if participant.replies:
                queues.append(Expected(names.reply_queue(participant.replies), participant.name, command))
    events = names.event_queue(webhooks.name, webhooks.events, hints_only=webhooks.hints_only)
    queues.append(Expected(events, "webhooks", "manage.py run_webhooks"))
    queues.append(Expected(names.dead_queue, "relay", "manage.py run_relay"))
    return [*queues, Expected(names.parked_queue, "", "")]
