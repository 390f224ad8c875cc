"""The scenarios that the scripted shopper can play, each with its expected final state.

The holder's name on the card determines the result, as in the provider's test system.
"""

from collections.abc import Callable
from dataclasses import dataclass

from checkout.tryout.documents import UnexpectedPage
from checkout.tryout.shopper import Shopper, acs_form

FRICTIONLESS = "3DS_V2_FRICTIONLESS_IDENTIFIED"
CHALLENGE = "3DS_V2_CHALLENGE_IDENTIFIED"


@dataclass(frozen=True, slots=True)
class Scenario:
    """A scenario. ``expected`` is the payment's final state in ``status.json``."""

    name: str
    summary: str
    holder: str
    expected: str
    play: Callable[[Shopper], object]


def _pay(shopper: Shopper) -> None:
    shopper.pay(shopper.order())


def _pay_without_device_data(shopper: Shopper) -> None:
    shopper.pay(shopper.order(), with_device_data=False)


def _answer(choice: str) -> Callable[[Shopper], None]:
    def play(shopper: Shopper) -> None:
        shopper.decide(shopper.pay(shopper.order()), choice)

    return play


def _walk_away(shopper: Shopper) -> None:
    """Leave the issuer's page. Then check that the payment's page still leads back to it."""
    acs_form(shopper.pay(shopper.order()))
    acs_form(shopper.resume())


def _click_twice(shopper: Shopper) -> None:
    first, second = shopper.pay_twice_at_once(shopper.order())
    _require_same(first.url, second.url, "The two clicks")


def _return_twice(shopper: Shopper) -> None:
    challenge = shopper.pay(shopper.order())
    first, second = shopper.decide_and_return_twice(challenge, "approve")
    _require_same(first.url, second.url, "The two returns")


def _require_same(first: str, second: str, what: str) -> None:
    if first != second:
        raise UnexpectedPage(f"{what} led to different pages: {first} and {second}.")


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("frictionless", "authenticated without a challenge, paid", FRICTIONLESS, "captured", _pay),
        Scenario("challenge", "challenged, approved, paid", CHALLENGE, "captured", _answer("approve")),
        Scenario("challenge_failed", "challenged, wrong password", CHALLENGE, "refused", _answer("fail")),
        Scenario("challenge_cancelled", "challenged, cancelled", CHALLENGE, "refused", _answer("cancel")),
        Scenario(
            "challenge_abandoned",
            "challenged, walked away: nothing is paid, and the challenge can be continued",
            CHALLENGE,
            "challenge_required",
            _walk_away,
        ),
        Scenario("refused", "refused because of insufficient funds", "REFUSED51", "refused", _pay),
        Scenario(
            "double_click", "Pay clicked twice at once: paid once", FRICTIONLESS, "captured", _click_twice
        ),
        Scenario(
            "repeated_return",
            "the return from the issuer is sent twice",
            CHALLENGE,
            "captured",
            _return_twice,
        ),
        Scenario(
            "no_device_data", "paid without device data", FRICTIONLESS, "captured", _pay_without_device_data
        ),
    )
}
