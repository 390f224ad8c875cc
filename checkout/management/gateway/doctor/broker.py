"""Examine the broker: its version, the exchanges and queues, the readers of queues, and the users' rights."""

import shlex
from collections.abc import Iterator

from django.template.defaultfilters import pluralize

from checkout.backoffice.display.values import quantity_text
from checkout.conf import conf
from checkout.database.application_name import running_programs
from checkout.database.owners import databases
from checkout.management.gateway import control
from checkout.management.gateway.doctor import bindings, nodes
from checkout.management.gateway.expected import Expected, expected_queues, topology
from checkout.management.gateway.output import Finding
from checkout.management.gateway.topology import is_out_of_sight, looked_at
from checkout.participants import participants
from messaging.access.permissions import permissions_of
from messaging.broker import vhost_of
from messaging.inspection import BrokerFacts, QueueFacts, Trouble
from messaging.inspection.differences import DeleteExchange, DeleteQueue, There, Unbind, differences
from messaging.topology import Queue

AREA = "broker"
OLDEST = 4
BACKLOG = 1000
IMPORT = "Run manage.py broker_users and import its definitions (docs/trust.md)."
NOT_LET_IN = (
    "{} runs, as it is connected to the database, but does not get to the broker: its log says why. If its "
    "log-in is refused, correct user and password in its BROKER_URL."
)
REMEDIES = {
    Trouble.AWAY: "Start RabbitMQ, or set BROKER_URL to its address.",
    Trouble.ADDRESS: "Correct BROKER_URL (docs/database-and-broker.md).",
    Trouble.LOGIN: f"Correct user, password and virtual host in BROKER_URL. If RabbitMQ lacks them: {IMPORT}",
    Trouble.TLS: "Compare scheme, host, port and ?cafile= in BROKER_URL with the node's listeners and "
    "certificate (docs/database-and-broker.md).",
}


def findings(program: str) -> Iterator[Finding]:
    """Yield the findings.

    If ``program`` is empty instead of ``rabbitmqctl``, bindings and rights are not known.
    """
    expected = expected_queues()
    queues = [each.queue for each in expected]
    facts, there, remark = looked_at(queues, program)
    if is_out_of_sight(facts):
        yield Finding(AREA, "in memory, inside the web process: a try-out; it cannot be seen from here")
        return
    if facts.fault:
        yield Finding(AREA, f"not reached: {facts.fault}", REMEDIES[facts.trouble])
        return
    yield from _version_and_user(facts)
    yield from _exchanges(facts)
    running = running_programs(databases())
    for each, fact in zip(expected, facts.queues, strict=True):
        yield _queue(each, fact, is_running=each.program in running)
    if remark and program:
        yield Finding(AREA, remark, "Run it on the broker's machine, as a user who may.")
    elif there is not None:
        yield from _rights(program)
        yield from _strangers(queues, there)
        yield from bindings.findings(there.bindings)
        yield from nodes.findings(program, [each.name for each in queues])


def _version_and_user(facts: BrokerFacts) -> Iterator[Finding]:
    major = facts.version.partition(".")[0]
    if major.isdecimal() and int(major) < OLDEST:
        yield Finding(AREA, f"RabbitMQ {facts.version}", f"Install RabbitMQ {OLDEST}.0 or newer.")
    else:
        yield Finding(AREA, f"reached, version {facts.version}")
    if conf.is_single_broker_user:
        yield Finding(AREA, f"user {facts.user}, which all programs share")
    elif participant := participants().of_user(topology(), facts.user):
        yield Finding(AREA, f"user {facts.user}, that of {participant.name}")
    else:
        yield Finding(AREA, f"the user {facts.user} is no program's", f"Change BROKER_URL. {IMPORT}")


def _exchanges(facts: BrokerFacts) -> Iterator[Finding]:
    faults = {name: fault for name, fault in facts.exchanges.items() if fault}
    for name, fault in faults.items():
        advice = IMPORT if fault == "missing" else "Delete the exchange while nothing runs, and import it."
        yield Finding(AREA, f"exchange {name}: {fault}", advice)
    if not faults:
        yield Finding(AREA, f"all {len(facts.exchanges)} exchanges are there")


def _queue(expected: Expected, fact: QueueFacts, *, is_running: bool) -> Finding:
    name = f"queue {fact.name}"
    if not fact.exists:
        advice = f"Start {expected.command}, which makes it." if expected.command else IMPORT
        advice = NOT_LET_IN.format(expected.program) if is_running else advice
        return Finding(AREA, f"{name}: {fact.fault}", advice)
    if fact.fault:
        advice = "Empty and delete the queue while its readers are stopped; they make it anew."
        return Finding(AREA, f"{name}: {fact.fault}", advice)
    if not expected.command:
        return _parked(fact)
    if not fact.consumers:
        text = f"{name}: no process reads it, {_waiting(fact)}"
        advice = NOT_LET_IN.format(expected.program) if is_running else f"Start {expected.command}."
        return Finding(AREA, text, advice)
    if fact.messages > BACKLOG:
        advice = f"Start more copies of {expected.command}, or see why they are slow."
        return Finding(AREA, f"{name}: {_waiting(fact)}", advice)
    return Finding(AREA, f"{name}: {quantity_text(fact.consumers, 'reader')}, {_waiting(fact)}")


def _strangers(queues: list[Queue], there: There) -> Iterator[Finding]:
    """Report bindings, queues and exchanges under our names that we do not use."""
    found = differences(topology(), queues, there)
    strange = [each for each in found if isinstance(each.remedy, Unbind | DeleteQueue | DeleteExchange)]
    for each in strange:
        yield Finding(AREA, each.text, "manage.py gateway topology --repair shows how it is removed.")
    if not strange:
        yield Finding(AREA, "nothing strange is within our names")


def _parked(fact: QueueFacts) -> Finding:
    """Report parked messages, which broke every connection that was to read them. They can be deleted."""
    if not fact.messages:
        return Finding(AREA, f"queue {fact.name}: empty")
    vhost = shlex.quote(vhost_of(conf.broker_url))
    return Finding(
        AREA,
        f"the broker fails at the first message of {fact.name}, or no program could keep it; "
        f"{_waiting(fact)} there",
        "Somebody sends what AMQP 0.9.1 cannot express (docs/trust.md): find the connection in RabbitMQ's "
        f"log. Then remove what is parked: rabbitmqctl purge_queue -p {vhost} {fact.name}",
    )


def _waiting(fact: QueueFacts) -> str:
    return f"{quantity_text(fact.messages, 'message')} {pluralize(fact.messages, 'waits,wait')}"


def _rights(program: str) -> Iterator[Finding]:
    """Compare the users' rights on the broker with the table of participants."""
    if conf.is_single_broker_user:
        return
    names = topology()
    try:
        actual = control.permissions_of(program)
    except control.NotPossible as error:
        yield Finding(AREA, str(error), "Run it on the broker's machine, as a user who may.")
        return
    different = []
    for participant in participants():
        rights = permissions_of(participant, names, participants())
        if actual.get(names.user(participant.name)) != (rights.configure, rights.write, rights.read):
            different.append(names.user(participant.name))
    if different:
        yield Finding(AREA, f"other rights than they should have: {', '.join(different)}", IMPORT)
    else:
        yield Finding(AREA, "every program's user has exactly its rights")
