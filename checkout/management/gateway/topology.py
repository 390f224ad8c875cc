"""``manage.py gateway topology``: exchanges, queues and bindings, as they are and as they should be."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django.core.management.base import CommandParser

from checkout.conf import conf
from checkout.management.gateway import control
from checkout.management.gateway.expected import expected_queues, topology
from checkout.management.gateway.output import Output, write_json, write_table, write_wrapped
from messaging.inspection import BrokerFacts, QueueFacts
from messaging.registry import inspect_broker
from messaging.topology import Binding, Queue

HELP = "Shows exchanges, queues, bindings and arguments: what exists on the broker, and what should."


OUT_OF_SIGHT = (
    "The broker is in memory, inside the web process of a try-out, and cannot be seen from here. This is "
    "what exists there."
)


def add_arguments(parser: CommandParser) -> None:
    """Take the form of the output, and the program that knows the bindings."""
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    control.add_argument(parser)


def run(out: Output, options: Mapping[str, Any]) -> int:
    """Return 0 if everything exists as it should, otherwise 1, also if ``--control`` does not answer."""
    queues = [each.queue for each in expected_queues()]
    facts, remark = looked_at(queues, options["control"])
    if options["json"]:
        write_json(out, _as_json(facts, queues) | {"remark": remark})
    else:
        _write(out, facts, queues, remark)
    if is_out_of_sight(facts):
        return 0
    faults = [facts.fault, *facts.exchanges.values(), *(queue.fault for queue in facts.queues)]
    is_in_the_dark = bool(options["control"] and remark)
    return 1 if any(faults) or is_in_the_dark else 0


def looked_at(queues: list[Queue], program: str) -> tuple[BrokerFacts, str]:
    """Return the broker's facts, with the bindings if they can be known, and a remark about these."""
    facts = inspect_broker(queues)
    if is_out_of_sight(facts):
        return facts, OUT_OF_SIGHT
    if conf.is_in_memory or facts.fault:
        return facts, ""
    if not program:
        return facts, "AMQP does not tell bindings: --control rabbitmqctl shows and compares them."
    try:
        every = control.bindings_of(program)
    except control.NotPossible as error:
        return facts, str(error)
    found = [_with_bindings(fact, queue, every) for fact, queue in zip(facts.queues, queues, strict=True)]
    return replace(facts, queues=tuple(found)), ""


def is_out_of_sight(facts: BrokerFacts) -> bool:
    """Return True if the broker is in the memory of another process."""
    return conf.is_in_memory and not any(fact.exists for fact in facts.queues)


def _with_bindings(fact: QueueFacts, queue: Queue, every: frozenset[tuple[str, Binding]]) -> QueueFacts:
    bindings = frozenset(binding for name, binding in every if name == queue.name)
    lacking = sorted(binding.key for binding in set(queue.bindings) - bindings)
    fault = fact.fault or (f"not bound for {', '.join(lacking)}" if lacking and fact.exists else "")
    return replace(fact, bindings=bindings, fault=fault)


def _write(out: Output, facts: BrokerFacts, queues: list[Queue], remark: str) -> None:
    if facts.fault:
        write_wrapped(out, "", f"The broker cannot be asked: {facts.fault}.")
        return
    if remark:
        write_wrapped(out, "", remark)
    out.write(f"Broker {facts.version}, as {facts.user}\n")
    unknown = "?" if is_out_of_sight(facts) else ""
    kinds = {each.name: each.kind for each in topology().exchanges}
    rows = [(name, kinds[name], unknown or fault or "ok") for name, fault in facts.exchanges.items()]
    write_table(out, ("EXCHANGE", "KIND", "IS"), rows)
    out.write("")
    rows_of_queues = [
        (each.name, str(each.messages), str(each.consumers), unknown or each.fault or "ok")
        for each in facts.queues
    ]
    write_table(out, ("QUEUE", "READY", "READERS", "IS"), rows_of_queues)
    out.write("\nBINDINGS")
    for fact, queue in zip(facts.queues, queues, strict=True):
        out.write(queue.name)
        for binding in queue.bindings:
            word = _word(fact, binding)
            out.write(f"  ← {binding.exchange} {binding.key or '(every message)'}{word}")
        for binding in sorted((fact.bindings or frozenset()) - set(queue.bindings), key=str):
            out.write(f"  ← {binding.exchange} {binding.key}  (not one of ours)")
    out.write("\nARGUMENTS")
    for arguments, names in _by_arguments(queues).items():
        write_wrapped(out, "", f"{', '.join(names)}:")
        write_wrapped(out, "  ", arguments)


def _by_arguments(queues: list[Queue]) -> dict[str, list[str]]:
    """Return the names of the queues by their arguments, which most of them share."""
    names: dict[str, list[str]] = {}
    for queue in queues:
        arguments = ", ".join(f"{key}={value}" for key, value in queue.arguments.items())
        names.setdefault(arguments, []).append(queue.name)
    return names


def _word(fact: QueueFacts, binding: Binding) -> str:
    if fact.bindings is None or not fact.exists:
        return ""
    return "  ok" if binding in fact.bindings else "  MISSING"


def _as_json(facts: BrokerFacts, queues: list[Queue]) -> dict[str, Any]:
    return {
        "user": facts.user,
        "version": facts.version,
        "fault": facts.fault,
        "exchanges": [{"name": name, "fault": fault} for name, fault in facts.exchanges.items()],
        "queues": [
            {
                "name": fact.name,
                "exists": fact.exists,
                "ready": fact.messages,
                "readers": fact.consumers,
                "fault": fact.fault,
                "arguments": dict(queue.arguments),
                "should_be_bound": [[each.exchange, each.key] for each in queue.bindings],
                "is_bound": None
                if fact.bindings is None
                else sorted([each.exchange, each.key] for each in fact.bindings),
            }
            for fact, queue in zip(facts.queues, queues, strict=False)
        ],
    }
