"""Plays one scenario and says how it ended."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from checkout.tryout.browser import Browser, Hop, NotReachable
from checkout.tryout.card import Card
from checkout.tryout.documents import UnexpectedPage
from checkout.tryout.scenarios import Scenario
from checkout.tryout.shopper import Shopper


@dataclass(frozen=True, slots=True)
class Purchase:
    """A scenario as it went. ``duration`` is until the shopper's last page, without the wait for the end."""

    scenario: Scenario
    payment: str
    end: str
    duration: timedelta
    hops: list[Hop]
    problem: str = ""

    @property
    def is_as_expected(self) -> bool:
        """Return True if every page was what a shopper would expect, and the end what the scenario says."""
        return not self.problem and self.end == self.scenario.expected


def play(scenario: Scenario, url: str) -> Purchase:
    """Buy something at ``url``; raises ``NotReachable`` when nobody answers the very first request."""
    shopper = Shopper(Browser(), url, Card(scenario.holder))
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
            # After a problem there is nothing to wait for: the state as it is tells more.
            end = str(shopper.status()["state"]) if problem else shopper.end(scenario.expected)
        except (UnexpectedPage, NotReachable) as error:
            problem = problem or str(error)
    return Purchase(scenario, shopper.reference, end, duration, shopper.browser.hops, problem)
