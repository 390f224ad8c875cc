"""The trait of an account without several captures: the rest is released after the first capture."""

from xml.etree.ElementTree import Element

import pytest
from defusedxml.ElementTree import fromstring

from tests.sandbox.merchant import Merchant
from tests.support.waiting import wait_until

NAME = "RELEASES_REST"


def balances(merchant: Merchant, order_code: str) -> dict[str, str]:
    found = merchant.inquire(order_code).root.iterfind(".//balance")
    return {each.attrib["accountType"]: find(each, "amount").attrib["value"] for each in found}


def find(parent: Element, path: str) -> Element:
    found = parent.find(path)
    assert found is not None
    return found


def captured(merchant: Merchant, order_code: str, holder: str, *amounts: int) -> None:
    merchant.submit(order_code, holder)
    for amount in amounts:
        assert merchant.capture(order_code, amount).error == (None, None)
    wait_until(lambda: merchant.books(order_code)["captured"] == sum(amounts), "the captures")


@pytest.mark.parametrize("holder", [NAME, f"{NAME} NO_CEILING"])
def test_nothing_is_left_to_capture_after_a_first_part(merchant, holder):
    captured(merchant, "order-1", holder, 600)
    assert balances(merchant, "order-1") == {"IN_PROCESS_CAPTURED": "600"}
    assert merchant.capture("order-1", 1).error[0] == "5"
    assert merchant.cancel("order-1").error[0] == "5"
    books = merchant.books("order-1")
    assert (books["released"], books["cancelled"], books["state"]) == (450, 0, "captured")


def test_what_was_asked_for_before_is_captured(sandbox_of):
    with sandbox_of(settle_seconds=0.3) as url:
        merchant = Merchant(url)
        captured(merchant, "order-1", NAME, 600, 150)
        assert balances(merchant, "order-1") == {"IN_PROCESS_CAPTURED": "750"}
        assert merchant.books("order-1")["released"] == 300


def test_without_the_trait_the_rest_stays_held(merchant):
    captured(merchant, "order-1", "NO_DEDUPLICATION", 600)
    assert balances(merchant, "order-1") == {"IN_PROCESS_AUTHORISED": "450", "IN_PROCESS_CAPTURED": "600"}
    captured(merchant, "order-2", NAME, 1050)
    assert merchant.books("order-2")["released"] == 0


def told(inbox, code: str) -> list[tuple[str, str]]:
    events = [find(fromstring(body), ".//orderStatusEvent") for body in list(inbox.bodies)]
    journals = [find(each, "journal") for each in events if each.get("orderCode") == code]
    return sorted((each.attrib["journalType"], find(each, ".//amount").attrib["value"]) for each in journals)


def test_the_release_of_some_orders_is_notified_as_the_cancellation_of_the_rest(sandbox_of, inbox):
    usual = [("AUTHORISED", "1050"), ("CAPTURED", "600")]
    notified = [usual[0], ("CANCELLED", "450"), usual[1]]
    with sandbox_of(notification_url=inbox.url, seed="7") as url:
        codes = [f"order-{number}" for number in range(6)]
        for code in codes:
            captured(Merchant(url), code, NAME, 600)
        wait_until(lambda: all(told(inbox, code) in (usual, notified) for code in codes), "notifications")
        wait_until(lambda: notified in [told(inbox, code) for code in codes], "a cancellation")
        assert usual in [told(inbox, code) for code in codes]
