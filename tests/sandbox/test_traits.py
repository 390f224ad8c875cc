"""The traits of an order are drawn at random, or set by the card holder's name or a knob."""

import pytest
from pydantic import ValidationError

from sandbox.configuration import Configuration
from sandbox.traits import EVERYDAY_SHARES, TRAITS, drawn, named_by
from tests.sandbox.merchant import Merchant, turn


def test_the_draw_follows_from_seed_and_order_code_alone():
    shares = dict.fromkeys(TRAITS, 0.5)
    codes = [f"order-{number}" for number in range(200)]
    draws = [drawn("7", code, shares) for code in codes]
    assert draws == [drawn("7", code, shares) for code in codes]
    assert draws != [drawn("8", code, shares) for code in codes]


def test_a_share_of_the_orders_has_a_trait_whatever_the_others_have():
    draws = [drawn("7", f"order-{number}", {"no_balance": 0.3, "settled": 1}) for number in range(2_000)]
    assert 0.25 < sum("no_balance" in traits for traits in draws) / len(draws) < 0.35
    assert all("settled" in traits for traits in draws)


def test_every_trait_can_be_named_on_a_card_and_any_other_name_names_none():
    assert [named_by(trait.upper()) for trait in TRAITS] == [[trait] for trait in TRAITS]
    assert named_by("NO_BALANCE SETTLED") == ["no_balance", "settled"]
    assert named_by("A. Shopper") is None
    assert named_by("") is None
    assert named_by("NO_BALANCE Jones") is None


def test_nothing_of_the_everyday_delays_a_shopper_or_moves_money_by_itself():
    assert not EVERYDAY_SHARES.keys() & {
        "early_notification",
        "charged_back",
        "forgotten_after_challenge",
        "expires",
        "cancelled_by_risk",
        "refund_failed_then_refunded",
    }


def test_a_card_holders_name_chooses_exactly_the_traits_it_lists(sandbox_of):
    with sandbox_of(traits={"settled": 1}) as url:
        merchant = Merchant(url)
        merchant.submit("order-1", "NO_BALANCE NO_CEILING")
        merchant.submit("order-2", "Ann")
        assert merchant.books("order-1")["traits"] == ["no_balance", "no_ceiling"]
        assert merchant.books("order-1")["state"] == "authorised"
        assert merchant.books("order-2")["traits"] == ["settled"]


def test_a_knob_chooses_the_traits_of_the_orders_that_it_is_for(merchant, sandbox):
    turn(sandbox, order=[{"traits": ["settled"], "order": "P1-"}, {"traits": ["no_balance"], "times": 2}])
    for code in ("P2-1", "P1-1", "P2-2", "P2-3"):
        merchant.submit(code, "NO_CEILING")
    traits = {order["order_code"]: order["traits"] for order in merchant.statement()["orders"]}
    assert traits == {
        "P2-1": ["no_balance"],
        "P1-1": ["settled"],
        "P2-2": ["no_balance"],
        "P2-3": ["no_ceiling"],
    }


def test_traits_stay_when_the_bank_is_started_with_others(sandbox_of):
    with sandbox_of(traits={"no_balance": 1}) as url:
        Merchant(url).submit("order-1")
    with sandbox_of(traits={}) as url:
        assert Merchant(url).books("order-1")["traits"] == ["no_balance"]


def test_the_scenarios_page_says_what_each_trait_means_and_which_are_set(sandbox):
    listing = turn(sandbox, order={"traits": ["no_balance"]})
    assert {row["value"] for row in listing["traits"]} == {trait.upper() for trait in TRAITS}
    assert listing["pending_orders"] == [{"traits": ["no_balance"], "times": 1}]
    assert turn(sandbox, reset=True)["pending_orders"] == []


@pytest.mark.parametrize("traits", ['{"no_manners": 1}', '{"no_balance": 2}', '{"no_balance": -1}'])
def test_a_share_that_makes_no_sense_is_refused(monkeypatch, traits):
    monkeypatch.setenv("SANDBOX_TRAITS", traits)
    with pytest.raises(ValidationError):
        Configuration()


def test_shares_are_read_from_the_environment(monkeypatch):
    assert Configuration().traits == EVERYDAY_SHARES
    monkeypatch.setenv("SANDBOX_TRAITS", '{"no_balance": 0.5}')
    assert Configuration().traits == {"no_balance": 0.5}
