"""Tests that the harness's verdict can fail, on invented evidence."""

from collections.abc import Sequence

from tests.faults.evidence import Evidence
from tests.faults.healthy import PAID, healthy, posting
from tests.faults.provider_books import Order
from tests.faults.recorder import Seen
from tests.hostile.verdict import ALL, CALM, Phase, Result, judged


def invariants(evidence: Evidence) -> set[str]:
    return {violation.invariant for violation in judged(evidence)}


def phase(name: str, milliseconds: Sequence[float]) -> Phase:
    seen = [Seen(0, each / 1000, PAID, "GET /", 200) for each in milliseconds]
    return Phase(name, 60, seen, 1, 1, 1, 100, 10, 0, 0, 0, 0)


def test_books_that_agree_are_left_alone():
    assert invariants(healthy()) == set()


def test_a_paid_order_that_was_called_off_is_found():
    evidence = healthy()
    evidence.reservations[PAID] = "cancelled"
    assert invariants(evidence) == {"I4"}


def test_a_refund_that_nobody_made_is_found():
    evidence = healthy()
    evidence.ledger[PAID] += posting("refunded:op_0", "merchant:payable", "provider:captured", 999_999)
    assert "I5" in invariants(evidence)


def test_a_payment_that_the_provider_did_not_authorise_is_found():
    evidence = healthy()
    evidence.orders["pay_1-1"] = Order("pay_1-1")
    assert "I5" in invariants(evidence)


def test_shoppers_who_wait_more_than_twice_as_long_are_slowed():
    result = Result([phase(CALM, [100] * 100), phase("WebSockets", [199] * 100), phase(ALL, [201] * 100)])
    assert result.slowed == [ALL]
    assert "all together" in "\n".join(result.lines())
