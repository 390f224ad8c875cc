"""Play one scenario, and return its result."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from checkout.tryout.browser import Browser, Hop, NotReachable
from checkout.tryout.card import Card
from checkout.tryout.documents import UnexpectedPage
from checkout.tryout.scenarios import Scenario
from checkout.tryout.shopper import Shopper


@dataclass(frozen=True, slots=True)
class Purchase:
    """A played scenario.

    ``duration`` ends with the shopper's last page, before the wait for the final state.
    """

    scenario: Scenario
    payment: str
    end: str
    duration: timedelta
    hops: list[Hop]
    problem: str = ""

    @property
    def is_as_expected(self) -> bool:
        """Return True if every page was as a shopper expects, and the final state is the scenario's."""
        return not self.problem and self.end == self.scenario.expected


def play(scenario: Scenario, url: str, payment: str = "") -> Purchase:
    """Make a purchase at ``url``, or pay the payment with the reference ``payment``.

    Raises ``NotReachable`` if the first request gets no answer.
    """
    shopper = Shopper(Browser(), url, Card(scenario.holder), payment)
    started, problem, end = datetime.now(UTC), "", ""
    try:
        scenario.play(shopper)
    except (UnexpectedPage, NotReachable) as error:
        if not shopper.browser.hops:
            raise
        problem = str(error)
    duration = datetime.now(UTC) - started
    if shopper.reference:
        try:
            # After a problem the state no longer changes, so the present state is reported.
            end = str(shopper.status()["state"]) if problem else shopper.end(scenario.expected)
        except (UnexpectedPage, NotReachable) as error:
            problem = problem or str(error)
    return Purchase(scenario, shopper.reference, end, duration, shopper.browser.hops, problem)
