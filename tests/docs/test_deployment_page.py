"""The pages for operators agree with the topology, nginx's site and the log."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from messaging.access.definitions import definitions
from messaging.access.participants import Participants
from messaging.topology import Queue, Topology
from tests.support.pages import section_of, text_of
from tests.support.program import ROOT
from tests.support.source import Module, modules_of

SITE, BROKER, OPERATIONS = (
    text_of(f"docs/{name}.md") for name in ("deployment", "database-and-broker", "operations")
)
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
        row_of("`checkout.parked`, which nobody reads", TOPOLOGY.parked_queue),
        row_of("`checkout.node.<process>`", TOPOLOGY.instance_queue("a")),
    }
    assert {line for line in BROKER.splitlines() if "x-queue-type" in line} == rows


def test_the_page_has_the_policy():
    (policy,) = definitions(Participants([]), TOPOLOGY, "/", {})["policies"]
    ((key, value),) = policy["definition"].items()
    told = f"`{policy['name']}`, for quorum queues, `{key}={value}`, priority "
    assert f"{told}\N{MINUS SIGN}{-policy['priority']}." in " ".join(BROKER.split())


def test_the_page_has_the_sizes_times_and_rates_of_the_site():
    site = (ROOT / "deployment" / "nginx" / "payments-gateway.conf").read_text()

    def set_to(pattern: str) -> list[str]:
        return [f"{int(number):,}" for number in re.findall(pattern, site)]

    (at_once,), (rate,) = set_to(r"limit_conn payments_connections (\d+);"), set_to(r"rate=(\d+)r/s")
    burst, of_notifications = set_to(r"burst=(\d+) nodelay;")
    told = f"{at_once} requests at once, {rate} a second with bursts of {burst}; more is 429. "
    assert f"{told}Notifications may burst to {of_notifications} |" in SITE
    (body,) = set_to(r"client_max_body_size (\d+)k;")
    assert f"body {body} KB, as `CHECKOUT_MAX_BODY_BYTES`: 413" in SITE
    (idle,), (unread,) = set_to(r"keepalive_timeout (\d+)s;"), set_to(r"send_timeout (\d+)s;\n    keep")
    (head,) = {*set_to(r"client_header_timeout (\d+)s;")}
    assert f"head (and the handshake before it) {head} s, idle {idle} s, unread answers {unread} s." in SITE
    (held,) = set_to(r"proxy_read_timeout (\d+)s;")
    assert f"may wait for up to {held} s" in SITE


def errors_logged(module: Module) -> Iterator[str]:
    for node in ast.walk(module.tree):
        match node:
            case (
                ast.Call(
                    func=ast.Attribute(value=ast.Name("log"), attr="error" | "exception"),
                    args=[ast.Constant(str(event)), *_],
                )
                | ast.Call(
                    func=ast.Name("write_limited"),
                    args=[ast.Attribute(ast.Name("log"), "error"), ast.Constant(str(event))],
                )
            ):
                yield event
            case ast.Call(func=ast.Name("Outage"), args=[ast.Constant(str(what)), *_]):
                yield f"{what} not reachable"


def test_the_page_explains_every_line_that_is_worth_an_alarm():
    section = section_of(OPERATIONS, "Logs")
    rows = [line.split(" | ")[0] for line in section.splitlines() if line.startswith("| `")][1:]
    explained = {event for row in rows for event in re.findall(r"`([^`]+)`", row)}
    modules = modules_of("checkout", "messaging", "payments_gateway")
    assert explained == {event for module in modules for event in errors_logged(module)}


def archived(segment: Path, archive: Path) -> int:
    """Run the page's command for PostgreSQL's archive, and return its exit code."""
    [command] = re.findall(r"^archive_command = '(.*)'$", OPERATIONS, re.MULTILINE)
    command = command.replace("/var/backups/payments/log", str(archive))
    command = command.replace("%f", segment.name).replace("%p", str(segment))
    return subprocess.run(["sh", "-c", command], check=False).returncode


def test_a_segment_is_archived_once_and_may_be_given_again_after_a_crash(tmp_path):
    archive, segment = tmp_path / "log", tmp_path / "000000010000000000000001"
    segment.write_bytes(b"records")
    assert archived(segment, archive) != 0, "the archive is not mounted"
    archive.mkdir()
    assert archived(segment, archive) == 0
    assert [file.name for file in archive.iterdir()] == [segment.name]
    assert archived(segment, archive) == 0, "PostgreSQL had not noted yet that it was archived"
    segment.write_bytes(b"another's")
    assert archived(segment, archive) != 0, "another server's segment is not overwritten"
    assert (archive / segment.name).read_bytes() == b"records"
