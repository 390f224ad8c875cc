"""The AsyncAPI 3.0 document of the gateway, made from commands, participants and topology."""

from typing import Any, TypeAlias

from checkout.described import plain
from checkout.message_registry import COMMANDS
from checkout.messages import Command
from checkout.participants import participants
from checkout.payments.events.types import EVENT_TYPES
from messaging.access.participants import service_of
from messaging.topology import Queue, Topology
from scripts.contract.events import schema_name
from scripts.contract.examples import example_of
from scripts.contract.making import VERSION, Schema, text
from scripts.contract.schemas import reply_name, schemas

Part: TypeAlias = dict[str, Any]

TOPOLOGY = Topology("checkout")
REPLIES, EVENTS, DEAD = "replies", "events", "dead"
DESCRIPTION = """The messages of the payments gateway over RabbitMQ (4.0 or newer), for services in any
language. All names begin with `checkout`, unless the installation sets another prefix. messages.md, beside
this file, describes the rest of the contract: the AMQP properties, the proof, delivery, dead letters.

An operation says what a service of the gateway does. To replace that service, do the same: *receive* from
its queue, and send the reply. `x-senders` are the programs that may send a message."""


def document(services: dict[str, list[str]]) -> Part:
    """Return the document. ``services`` maps each service to the codes of its errors."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Payments gateway: messages",
            "version": VERSION,
            "description": DESCRIPTION,
            "license": {"name": "MIT"},
            "tags": [
                {"name": "commands", "description": "Work for a service, which replies."},
                {"name": "events", "description": "Changes of payments and operations."},
            ],
        },
        "defaultContentType": "application/json",
        "servers": {
            "broker": {
                "host": "broker.example:5671",
                "pathname": "/payments",
                "protocol": "amqps",
                "protocolVersion": "0-9-1",
                "description": "RabbitMQ. Every program has a user of its own, `checkout.<program>`.",
                "security": [{"$ref": "#/components/securitySchemes/user"}],
            }
        },
        "channels": _channels(),
        "operations": _operations(services),
        "components": {
            "securitySchemes": {"user": {"type": "userPassword"}},
            "messageTraits": {"envelope": _envelope(), "event": _event()},
            "correlationIds": {
                "question": {
                    "location": "$message.header#/correlation_id",
                    "description": "The AMQP property `correlation_id`. A reply carries that of its command.",
                }
            },
            "messages": _messages(),
        },
    }


def _envelope() -> Part:
    return {
        "contentType": "application/json",
        "headers": {"$ref": "./schemas/headers.json"},
        "correlationId": {"$ref": "#/components/correlationIds/question"},
    }


def _messages() -> Part:
    made = schemas()
    messages: Part = {}
    for type, command in COMMANDS.items():
        messages[type] = _message(type, plain(command.__doc__ or ""), made[type], type)
        if command.answer is not None:
            name = reply_name(type)
            messages[name] = _message(name, f"The reply to `{type}`.", made[name], "reply")
    for type, meaning in EVENT_TYPES.items():
        messages[type] = _event_message(type, meaning, made[schema_name(type)])
    messages["dead_letter"] = {
        "name": "dead_letter",
        "title": "dead_letter",
        "summary": "A message that could not be handled, as it was, without `sealed`.",
        "headers": {
            "type": "object",
            "properties": {name: text(meaning, example) for name, (meaning, example) in DEAD_HEADERS.items()},
        },
        "payload": {},
    }
    return messages


def _event() -> Part:
    return {"contentType": "application/json", "headers": {"$ref": "./schemas/event.headers.json"}}


def _event_message(type: str, meaning: str, schema: Schema) -> Part:
    """Return the message of an event. The example is that of its schema, if it is of this type."""
    message = _message(type, meaning, schema, type)
    message["traits"] = [{"$ref": "#/components/messageTraits/event"}]
    message["payload"] = {"$ref": f"./schemas/{schema_name(type)}.json"}
    if message["examples"][0]["payload"]["type"] != type:
        del message["examples"]
    return message


DEAD_HEADERS = {
    "dead-service": ("The service that gave the message up.", "orders"),
    "dead-queue": ("The queue from which it had come.", "checkout.commands.orders"),
    "dead-reason": ("The reason, for staff.", "The body is not valid."),
    "dead-sender": ("The broker user that had sent it.", "checkout.relay"),
}


def _message(name: str, summary: str, schema: Schema, type: str) -> Part:
    return {
        "name": name,
        "title": name,
        **({"summary": summary} if summary else {}),
        "traits": [{"$ref": "#/components/messageTraits/envelope"}],
        "payload": {"$ref": f"./schemas/{name}.json"},
        "examples": [{"payload": example_of(schema)}],
        "bindings": {"amqp": {"messageType": type, "bindingVersion": "0.3.0"}},
    }


def _channels() -> Part:
    services = dict.fromkeys(service_of(type) for type in COMMANDS)
    return {
        **{f"commands.{service}": _channel_of_commands(service) for service in services},
        REPLIES: {
            "address": None,
            "title": "Replies",
            "description": "The routing key is the `reply_to` of the command, to which the asker listens.",
            "messages": {
                reply_name(type): {"$ref": f"#/components/messages/{reply_name(type)}"}
                for type, command in COMMANDS.items()
                if command.answer is not None
            },
            "bindings": _exchange(TOPOLOGY.replies, "topic"),
        },
        EVENTS: {
            "address": "{type}.{merchant}",
            "title": "Events",
            "description": "Patterns of bindings: `*.*.*` for all, `payment.*.*` for those of payments, "
            "`*.*.shop` for all of one merchant, `payment.captured.*` for one type.",
            "parameters": {
                "type": {
                    "description": "The event's type, which is two words with a dot between them.",
                    "examples": ["payment.captured"],
                },
                "merchant": {"description": "The merchant's code.", "examples": ["shop"]},
            },
            "messages": {type: {"$ref": f"#/components/messages/{type}"} for type in EVENT_TYPES},
            "bindings": _exchange(TOPOLOGY.events, "topic"),
        },
        DEAD: {
            "address": "",
            "title": "Dead letters",
            "description": "The relay moves them into the database, where staff look at them.",
            "messages": {"dead_letter": {"$ref": "#/components/messages/dead_letter"}},
            "bindings": _exchange(TOPOLOGY.dead, "fanout"),
        },
    }


def _channel_of_commands(service: str) -> Part:
    return {
        "address": service,
        "title": f"Commands to {service}",
        "messages": {
            type: {"$ref": f"#/components/messages/{type}"}
            for type in COMMANDS
            if service_of(type) == service
        },
        "bindings": _exchange(TOPOLOGY.commands, "topic"),
        "x-queue": _queue(TOPOLOGY.service_queue(service)),
    }


def _exchange(name: str, kind: str) -> Part:
    exchange = {"name": name, "type": kind, "durable": True, "autoDelete": False}
    return {"amqp": {"is": "routingKey", "exchange": exchange, "bindingVersion": "0.3.0"}}


def _queue(queue: Queue) -> Part:
    return {"name": queue.name, "durable": True, "exclusive": False, "arguments": dict(queue.arguments)}


def _operations(services: dict[str, list[str]]) -> Part:
    return {
        **{f"receive {type}": _receive(type, command, services) for type, command in COMMANDS.items()},
        **{
            f"send {type}": {
                "action": "send",
                "channel": {"$ref": f"#/channels/{EVENTS}"},
                "summary": meaning,
                "description": "It is sent after the change was committed, at least once.",
                "messages": [{"$ref": f"#/channels/{EVENTS}/messages/{type}"}],
                "bindings": {"amqp": {"deliveryMode": 2, "bindingVersion": "0.3.0"}},
                "x-senders": [each.name for each in participants() if each.relays],
            }
            for type, meaning in EVENT_TYPES.items()
        },
        "send dead letter": {
            "action": "send",
            "channel": {"$ref": f"#/channels/{DEAD}"},
            "summary": "Any service gives up a message that it cannot handle.",
            "description": "It is sent in place of an acknowledgement, so that no message is lost.",
            "messages": [{"$ref": f"#/channels/{DEAD}/messages/dead_letter"}],
        },
    }


def _receive(type: str, command: type[Command[Any]], services: dict[str, list[str]]) -> Part:
    service = service_of(type)
    senders = [each.name for each in participants() if type in each.sends]
    operation: Part = {
        "action": "receive",
        "channel": {"$ref": f"#/channels/commands.{service}"},
        "summary": f"{service} handles `{type}`.",
        "description": f"If it is asked again: {command.again}.",
        "messages": [{"$ref": f"#/channels/commands.{service}/messages/{type}"}],
        "bindings": {"amqp": {"ack": True, "bindingVersion": "0.3.0"}},
        "x-senders": [*senders, "relay"],
    }
    if command.answer is not None:
        operation["reply"] = {
            "address": {
                "location": "$message.header#/reply_to",
                "description": "The AMQP property `reply_to`. Without it, no reply is wanted.",
            },
            "channel": {"$ref": f"#/channels/{REPLIES}"},
            "messages": [{"$ref": f"#/channels/{REPLIES}/messages/{reply_name(type)}"}],
        }
        operation["x-errors"] = [*services.get("all", []), *services.get(service, [])]
    return operation
