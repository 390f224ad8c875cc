"""``manage.py gateway topology``: compares exchanges, queues and bindings with those that should exist.

``--repair`` shows how to mend the differences. ``--repair --yes`` mends them.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from django.core.management.base import CommandError, CommandParser

from checkout.conf import conf
from checkout.management.gateway import control
from checkout.management.gateway.expected import expected_queues, topology
from checkout.management.gateway.output import Output, write_json, write_table, write_wrapped
from messaging.errors import BrokerUnavailable
from messaging.inspection import BrokerFacts, QueueFacts
from messaging.inspection.differences import Difference, There, differences
from messaging.registry import inspect_broker, mend_broker
from messaging.topology import Binding, Queue

HELP = (
    "Shows exchanges, queues, bindings and arguments: what exists on the broker, and what should. With "
    "--repair, shows the differences and how they are mended; --yes mends them."
)
MENDS_NOTHING = "Nothing was changed. With --yes, this is done."

OUT_OF_SIGHT = (
    "The broker is in memory, inside the web process of a try-out, and cannot be seen from here. This is "
    "what exists there."
)


def add_arguments(parser: CommandParser) -> None:
    """Declare the arguments: the form of the output, and the program that knows the bindings."""
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--repair", action="store_true", help="show how each difference is mended")
    parser.add_argument("--yes", action="store_true", help="with --repair: do it")
    control.add_argument(parser)


def run(out: Output, options: Mapping[str, Any]) -> int:
    """Write the comparison. Return 0 if everything is as it should be, otherwise 1.

    Also return 1 if ``--control`` does not answer.
    """
    queues = [each.queue for each in expected_queues()]
    if options["yes"] and not options["repair"]:
        raise CommandError("--yes needs --repair.")
    if options["repair"]:
        if options["json"]:
            raise CommandError("--repair prints no JSON. Without it, --json prints the differences, too.")
        return _repair(out, queues, options["control"], is_meant=options["yes"])
    facts, there, remark = looked_at(queues, options["control"])
    found = [] if there is None else differences(topology(), queues, there)
    if options["json"]:
        texts = [each.text for each in found]
        write_json(out, _as_json(facts, queues) | {"differences": texts, "remark": remark})
    else:
        _write(out, facts, queues, remark)
        _write_differences(out, found)
    if is_out_of_sight(facts):
        return 0
    faults = [facts.fault, *facts.exchanges.values(), *(queue.fault for queue in facts.queues)]
    is_in_the_dark = bool(options["control"] and remark)
    return 1 if any(faults) or found or is_in_the_dark else 0


def _repair(out: Output, queues: list[Queue], program: str, *, is_meant: bool) -> int:
    """Mend the differences if ``is_meant``. Return 0 if none remains, otherwise 1."""
    if conf.is_in_memory or not program:
        raise CommandError("--repair needs RabbitMQ and --control, because AMQP does not tell what there is.")
    try:
        found = differences(topology(), queues, control.there(program))
    except control.NotPossible as error:
        raise CommandError(str(error)) from None
    if not found:
        out.write("Everything is as it should be.")
        return 0
    # If the repair is interrupted, this output is the only record of the bindings of a deleted exchange.
    _write_differences(out, found)
    if not is_meant:
        out.write(MENDS_NOTHING)
        return 1
    return _mend(out, found, program)


def _mend(out: Output, found: list[Difference], program: str) -> int:
    out.write("\nREPAIR")
    left = 0
    try:
        for difference, reason in mend_broker(found, partial(control.use_of, program)):
            write_wrapped(out, "LEFT    " if reason else "mended  ", f"{difference.text} {reason}".strip())
            left += bool(reason)
    except BrokerUnavailable as error:
        hint = "Run this again, and restore bindings of other programs from the list above."
        raise CommandError(f"The broker cannot be asked: {error}. {hint}") from None
    return 1 if left else 0


def _write_differences(out: Output, found: list[Difference]) -> None:
    if found:
        out.write("\nDIFFERENCES")
    for each in found:
        write_wrapped(out, "", each.text)
        write_wrapped(out, "  → ", str(each.remedy))


def looked_at(queues: list[Queue], program: str) -> tuple[BrokerFacts, There | None, str]:
    """Return the broker's facts, its contents if they can be read, and otherwise the reason in words."""
    facts = inspect_broker(queues)
    if is_out_of_sight(facts):
        return facts, None, OUT_OF_SIGHT
    if conf.is_in_memory or facts.fault:
        return facts, None, ""
    if not program:
        return facts, None, "AMQP does not tell bindings: --control rabbitmqctl shows and compares them."
    try:
        there = control.there(program)
    except control.NotPossible as error:
        return facts, None, str(error)
    found = [_with_bindings(fact, queue, there) for fact, queue in zip(facts.queues, queues, strict=True)]
    return replace(facts, queues=tuple(found)), there, ""


def is_out_of_sight(facts: BrokerFacts) -> bool:
    """Return True if the broker is in the memory of another process, so that its queues cannot be seen."""
    return conf.is_in_memory and not any(fact.exists for fact in facts.queues)


def _with_bindings(fact: QueueFacts, queue: Queue, there: There) -> QueueFacts:
    bindings = frozenset(
        Binding(each.exchange, each.key)
        for each in there.bindings
        if each.is_queue and each.target == queue.name
    )
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
    """Return the names of the queues by their arguments. Most queues have the same arguments."""
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
