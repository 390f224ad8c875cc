"""The example services, as programs that a test starts."""

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.environment import node_path
from tests.support.javascript import installed
from tests.support.program import ROOT, Program

EXAMPLES = ROOT / "examples"
STOCK = {"tea": 10, "TEA-100": 100_000, "MUG-350": 100_000, "FAN-210": 100_000, "BAG-040": 100_000}


@dataclass(frozen=True)
class Example:
    """An example of a service, and a command that it accepts."""

    name: str
    service: str
    type: str
    body: dict[str, Any]
    result: dict[str, Any]
    environment: dict[str, str] = field(default_factory=dict)

    def program(self, folder: Path, **environment: str) -> Program:
        """Return the program; it writes its log and its data into this folder."""
        return Program(
            self.service,
            self._command(),
            log=folder / f"{self.name}.log",
            # Nothing of ours is on its import path.
            environment={"DATABASE": str(folder / f"{self.name}.sqlite3"), **self.environment, **environment},
        )

    def _command(self) -> list[str]:
        if self.name.endswith("-node"):
            return [node_path(), str(installed(EXAMPLES / self.name, "amqplib") / "service.mjs")]
        return [sys.executable, str(EXAMPLES / self.name / "service.py")]


PAYMENT = "pay_7f3c1d5e9a2b4c6d8e0f1a2b3c4d5e6f"
RISK = Example(
    "risk-node",
    "risk",
    "risk.assess",
    {"payment": PAYMENT, "minor": 1250, "currency": "GBP"},
    {"decision": "accept", "reasons": []},
)
ORDERS = Example(
    "orders-python",
    "orders",
    "orders.reserve",
    {"payment": PAYMENT, "lines": [{"sku": "tea", "quantity": 2}], "attempt": f"{PAYMENT}-1"},
    {"reserved": True, "missing": []},
    {"STOCK": json.dumps(STOCK)},
)


def subscriber(folder: Path, *patterns: str, **environment: str) -> Program:
    """Return the subscriber to events, bound with these patterns."""
    return Program(
        "subscriber",
        [sys.executable, str(EXAMPLES / "events-python" / "subscriber.py"), *patterns],
        log=folder / "subscriber.log",
        environment={"DATABASE": str(folder / "events.sqlite3"), **environment},
    )
