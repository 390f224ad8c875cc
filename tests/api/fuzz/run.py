"""Rounds over all operations of the API, each with new requests, until the time is over."""

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import requests
from hypothesis import HealthCheck, Phase, settings
from schemathesis import Case
from schemathesis.core.failures import FailureGroup
from schemathesis.generation.hypothesis.builder import HypothesisTestConfig, HypothesisTestMode, create_test
from schemathesis.schemas import APIOperation, BaseSchema

from checkout.conf.api import TRY_OUT_API_KEY
from tests.api.fuzz.generated import aim, call, loaded
from tests.api.fuzz.objects import Objects
from tests.support.stack import Stack

# Each operation's requests in a round, beside those that test each limit of the document once.
EXAMPLES = 25
# The longest wait for one answer. Requests are held for 30 seconds at most.
TIMEOUT_SECONDS = 60
SETTINGS = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
AUTHORISATION = {"Authorization": f"Bearer {TRY_OUT_API_KEY}"}


@dataclass
class Result:
    """The requests by operation and by status of their answers, and the failures, each kind once."""

    operations: int
    seed: int
    rounds: int = 0
    requests: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    failures: dict[tuple[str, str], str] = field(default_factory=dict)

    def lines(self) -> Iterator[str]:
        """Return the lines to print."""
        for (label, _title), failure in self.failures.items():
            yield f"{label}: {failure}\n"
        answers = ", ".join(f"{status}: {number:,}" for status, number in sorted(self.statuses.items()))
        yield f"operations covered: {len(self.requests)} of {self.operations}, {self.rounds} rounds"
        yield f"requests sent: {self.statuses.total():,} ({answers})"
        yield f"failures: {len(self.failures)} (seed {self.seed})"

    @property
    def is_good(self) -> bool:
        """Return True if every operation was tried, and none failed."""
        return not self.failures and len(self.requests) == self.operations


class Fuzz:
    """Generated requests to a running stack."""

    def __init__(self, stack: Stack, *, seconds: float, seed: int) -> None:
        self._stack = stack
        self._schema = loaded()
        self._schema.config.update(base_url=stack.web_url)
        self._session = requests.Session()
        self._session.headers.update(AUTHORISATION)
        self._seconds = seconds
        self._deadline = float("inf")
        self._operations = list(_operations(self._schema))
        self._objects = Objects(stack, self._session)
        self.result = Result(len(self._operations), seed)

    def run(self) -> Result:
        """Run rounds until the time is over, which begins with the first round. Each has new objects."""
        self._objects.renew()
        self._deadline = time.monotonic() + self._seconds
        while not self._is_over:
            for number, operation in enumerate(self._operations):
                self._try(operation, self.result.seed + self.result.rounds * len(self._operations) + number)
                if self._is_over:
                    break
            self.result.rounds += 1
            print(f"round {self.result.rounds}: {self.result.statuses.total():,} requests", file=sys.stderr)
            if not self._is_over:
                self._objects.renew()
        return self.result

    @property
    def _is_over(self) -> bool:
        return time.monotonic() > self._deadline

    def _try(self, operation: APIOperation, seed: int) -> None:
        def send(case: Case) -> None:
            if not self._is_over:
                self._send(case)

        _test_of(operation, send, seed)()

    def _send(self, case: Case) -> None:
        """Send a request. A failure is noted, and the run goes on."""
        self.result.requests[case.operation.label] += 1
        aim(case, self._objects.known)
        try:
            with requests.Session() as session:
                session.hooks["response"].append(self._count)
                call(case, AUTHORISATION, session=session, timeout=TIMEOUT_SECONDS)
        except FailureGroup as failures:
            for failure in failures.exceptions:
                self._note(case, failure)
        except (AssertionError, requests.RequestException) as failure:
            self._note(case, failure)

    def _count(self, response: requests.Response, **_options: Any) -> None:
        self.result.statuses[response.status_code] += 1

    def _note(self, case: Case, failure: Exception) -> None:
        """Keep the first failure of its kind, with the command that repeats the request."""
        title = str(getattr(failure, "title", type(failure).__name__))
        told = f"{failure}\n\n{case.as_curl_command(AUTHORISATION)}"
        self.result.failures.setdefault((case.operation.label, title), told)


def _operations(schema: BaseSchema) -> Iterator[APIOperation]:
    for found in schema.get_all_operations():
        yield found.ok()


def _test_of(operation: APIOperation, send: Callable[[Case], None], seed: int) -> Callable[[], None]:
    """Return a function that generates the requests of an operation and sends them."""
    config = HypothesisTestConfig(
        project=operation.schema.config, modes=list(HypothesisTestMode), settings=SETTINGS, seed=seed
    )
    test: Callable[[], None] = create_test(operation=operation, test_func=send, config=config)
    return test
