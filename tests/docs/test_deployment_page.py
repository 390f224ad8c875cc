"""The page about deployment agrees with the topology."""

from messaging.access.definitions import definitions
from messaging.access.participants import Participants
from messaging.topology import Queue, Topology
from tests.support.program import ROOT

PAGE = (ROOT / "docs" / "deployment.md").read_text()
TOPOLOGY = Topology("checkout")


def row_of(names: str, queue: Queue) -> str:
    return f"| {names} | {' '.join(f'`{name}={value}`' for name, value in queue.arguments.items())} |"


def test_the_page_has_every_argument_of_every_kind_of_queue():
    work = "`checkout.commands.<service>`, `checkout.replies.<service>`, `checkout.events.<service>`"
    services = (TOPOLOGY.service_queue("a"), TOPOLOGY.reply_queue("a"), TOPOLOGY.event_queue("a", ("#",)))
    rows = {
        *(row_of(work, queue) for queue in services),
        row_of(
            "`checkout.events.webhooks`, whose reader finds what it has missed",
            TOPOLOGY.event_queue("a", ("#",), hints_only=True),
        ),
        row_of("`checkout.dead`", TOPOLOGY.dead_queue),
        row_of("`checkout.node.<process>`", TOPOLOGY.instance_queue("a")),
    }
    assert {line for line in PAGE.splitlines() if "x-queue-type" in line} == rows


def test_the_page_has_the_policy():
    (policy,) = definitions(Participants([]), TOPOLOGY, "/", {})["policies"]
    ((key, value),) = policy["definition"].items()
    told = f"`{policy['name']}`, for quorum queues, `{key}={value}`, priority "
    assert f"{told}\N{MINUS SIGN}{-policy['priority']}." in " ".join(PAGE.split())
