"""The bank's behaviour with traits, all of which the provider documents or has shown."""

import pytest
from defusedxml.ElementTree import fromstring

from tests.sandbox.merchant import Merchant, Shopper, machine_cookie, money, turn
from tests.support.waiting import wait_until

KEY = {"Idempotency-Key": "7f5f1f6a-3f0e-5d7b-9c55-0f5c6f8f1a11"}


@pytest.fixture
def notifying(sandbox_of, inbox):
    with sandbox_of(
        notification_url=inbox.url, retry_first_seconds=0.01, settlement_seconds=0, refund_again_seconds=0.3
    ) as url:
        yield Merchant(url)


def booked(merchant: Merchant, amount: str, expected: int, code: str = "order-1") -> None:
    wait_until(lambda: merchant.books(code)[amount] == expected, f"{amount} of {expected}")


def purchase(merchant: Merchant, traits: str, captured: int = 1050) -> None:
    merchant.submit("order-1", traits)
    merchant.capture("order-1", captured)
    booked(merchant, "captured", captured)


def balances(reply) -> dict[str, tuple[str, str]]:
    return {
        balance.get("accountType"): (amount.get("value"), amount.get("debitCreditIndicator"))
        for balance in reply.root.iterfind(".//balance")
        for amount in balance.iterfind("amount")
    }


def journal_of(inbox, journal_type: str):
    """Wait for a notification of this type, and return the journal of the last one."""
    wait_until(lambda: journal_type in inbox.journal_types(), journal_type)
    position = len(inbox.bodies) - 1 - inbox.journal_types()[::-1].index(journal_type)
    return fromstring(inbox.bodies[position]).find(".//journal")


def bookings_of(journal) -> list[tuple[str, str, str]]:
    return [
        (line.get("accountType"), amount.get("value"), amount.get("debitCreditIndicator"))
        for line in journal.iterfind("accountTx")
        for amount in line.iterfind("amount")
    ]


def references_of(journal) -> list[tuple[str, str]]:
    return [(each.get("type"), each.get("reference")) for each in journal.iterfind("journalReference")]


def test_a_key_that_is_not_looked_at_lets_a_repeated_request_happen_again(merchant):
    merchant.submit("order-1", "NO_DEDUPLICATION")
    for _ in range(2):
        merchant.capture("order-1", 300, headers=KEY)
    assert merchant.books("order-1")["capture_requested"] == 600


def test_the_last_event_of_a_captured_order_may_be_the_authorisation_if_balances_tell_the_rest(merchant):
    purchase(merchant, "EVENT_BEHIND", captured=300)
    reply = merchant.inquire("order-1")
    assert reply.text("lastEvent") == "AUTHORISED"
    assert balances(reply)["IN_PROCESS_CAPTURED"] == ("300", "credit")
    merchant.submit("order-2", "EVENT_BEHIND NO_BALANCE")
    merchant.capture("order-2", 300)
    booked(merchant, "captured", 300, "order-2")
    assert merchant.inquire("order-2").text("lastEvent") == "CAPTURED"


def test_a_cancellation_is_never_deduplicated(merchant):
    merchant.submit("order-1")
    replies = [merchant.modify("order-1", "<cancel/>", headers=KEY) for _ in range(2)]
    assert replies[0].root.find(".//cancelReceived") is not None
    assert replies[1].error[0] == "5"


def test_a_key_is_forgotten_when_its_time_is_up(sandbox_of):
    with sandbox_of(idempotency_lifetime_seconds=0) as url:
        merchant = Merchant(url)
        merchant.submit("order-1")
        for _ in range(2):
            merchant.capture("order-1", 300, headers=KEY)
        assert merchant.books("order-1")["capture_requested"] == 600


def test_an_account_without_idempotency_refuses_the_header_and_does_nothing(sandbox_of):
    with sandbox_of(idempotency="off") as url:
        merchant = Merchant(url)
        refused = merchant.submit("order-1", headers=KEY)
        assert refused.error == (
            "9",
            "Service not enabled: Idempotent requests are not enabled for this customer",
        )
        assert merchant.books("order-1") == {}
        assert merchant.submit("order-1").text("lastEvent") == "AUTHORISED"


@pytest.mark.parametrize(
    ("key", "code"),
    [(KEY["Idempotency-Key"], None), ("k1", "9"), ("{7f5f1f6a-3f0e-5d7b-9c55-0f5c6f8f1a11}", "9")],
)
def test_an_account_may_insist_on_uuids(sandbox_of, key, code):
    with sandbox_of(idempotency="uuid") as url:
        reply = Merchant(url).submit("order-1", headers={"Idempotency-Key": key})
        assert reply.error[0] == code


def test_an_order_without_balances_tells_its_last_event_only(merchant):
    purchase(merchant, "NO_BALANCE", 600)
    reply = merchant.inquire("order-1")
    assert reply.text("lastEvent") == "CAPTURED"
    assert balances(reply) == {}


def test_without_a_ceiling_more_is_captured_and_refunded_than_there_is_and_the_books_show_it(merchant):
    purchase(merchant, "NO_CEILING", 1500)
    merchant.refund("order-1", 2000)
    booked(merchant, "refunded", 2000)
    books = merchant.books("order-1")
    assert (books["authorised"], books["captured"], books["refund_requested"]) == (1050, 1500, 2000)
    assert balances(merchant.inquire("order-1")) == {
        "IN_PROCESS_AUTHORISED": ("450", "debit"),
        "IN_PROCESS_CAPTURED": ("500", "debit"),
    }


def test_without_a_ceiling_there_must_still_be_something_to_capture_or_refund(merchant):
    merchant.submit("order-1", "NO_CEILING")
    assert merchant.refund("order-1", 1).error[0] == "5"
    merchant.cancel("order-1")
    assert merchant.capture("order-1", 1).error[0] == "5"
    assert merchant.modify("order-1", f"<refund>{money(1)}</refund>").error[0] == "5"


def test_events_that_the_merchant_has_not_selected_are_not_sent(notifying, inbox):
    purchase(notifying, "CAPTURED_UNSELECTED SETTLED")
    # Each of the two has a line of its own, so one may overtake the other.
    wait_until(lambda: sorted(inbox.journal_types()) == ["AUTHORISED", "SETTLED"], "the settlement")


def test_an_unselected_settlement_happens_in_silence(notifying, inbox):
    purchase(notifying, "SETTLED_UNSELECTED SETTLED")
    wait_until(lambda: notifying.inquire("order-1").text("lastEvent") == "SETTLED", "the settlement")
    notifying.refund("order-1", 50)
    wait_until(lambda: sorted(inbox.journal_types())[2:] == ["REFUNDED", "SENT_FOR_REFUND"], "the refund")


def test_sent_for_refund_comes_instead_of_refunded_and_says_which_refunds_an_issuer_authorised(
    sandbox_of, inbox
):
    with sandbox_of(notification_url=inbox.url, seed="1") as url:
        merchant = Merchant(url)
        purchase(merchant, "REFUNDED_UNSELECTED")
        for amount in range(1, 11):
            merchant.refund("order-1", amount)
        wait_until(lambda: inbox.journal_types().count("SENT_FOR_REFUND") == 10, "ten refunds")
    assert "REFUNDED" not in inbox.journal_types()
    told = [references_of(fromstring(body).find(".//journal")) for body in inbox.bodies[2:]]
    assert [found[1] for found in told] == [("refund", f"r-{amount}") for amount in range(1, 11)]
    authorisations = [found[0] for found in told]
    assert {type_ for type_, _ in authorisations} == {"refund_authorisation"}
    assert "null" in {reference for _, reference in authorisations}
    assert any(reference.isdigit() for _, reference in authorisations)


def test_an_early_notification_arrives_before_the_reply(sandbox_of, inbox):
    with sandbox_of(notification_url=inbox.url, settle_seconds=3600) as url:
        merchant = Merchant(url)
        merchant.submit("order-1", "EARLY_NOTIFICATION")
        journal_of(inbox, "AUTHORISED")
        assert merchant.capture("order-1", 1050).root.find(".//captureReceived") is not None
        assert inbox.journal_types() == ["AUTHORISED", "CAPTURED"]
        merchant.refund("order-1", 50)
        assert inbox.journal_types() == ["AUTHORISED", "CAPTURED", "SENT_FOR_REFUND", "REFUNDED"]


def test_a_refund_that_failed_may_be_made_after_all_and_keeps_its_claim_meanwhile(notifying, inbox):
    purchase(notifying, "REFUND_FAILED_THEN_REFUNDED")
    notifying.refund("order-1", 1000)
    journal_of(inbox, "REFUND_FAILED")
    assert notifying.refund("order-1", 51).error[0] == "5"
    journal_of(inbox, "REFUNDED")
    assert inbox.journal_types()[3::2] == ["REFUND_FAILED", "REFUNDED"]
    books = notifying.books("order-1")
    assert (books["refund_requested"], books["refunded"], books["refund_denied"]) == (1000, 1000, 1000)


def test_a_long_journal_has_its_amounts_in_parts_and_names_several_references(notifying, inbox):
    purchase(notifying, "LONG_JOURNALS", 601)
    captured = journal_of(inbox, "CAPTURED")
    assert bookings_of(captured) == [
        ("IN_PROCESS_AUTHORISED", "300", "debit"),
        ("IN_PROCESS_AUTHORISED", "301", "debit"),
        ("IN_PROCESS_CAPTURED", "300", "credit"),
        ("IN_PROCESS_CAPTURED", "301", "credit"),
    ]
    notifying.refund("order-1", 100)
    assert references_of(journal_of(inbox, "REFUNDED")) == [
        ("refund_authorisation", "null"),
        ("capture", "c-601"),
        ("refund", "r-100"),
    ]


def test_a_refunds_own_reference_may_have_the_type_capture(notifying, inbox):
    purchase(notifying, "REFUND_REFERENCE_AS_CAPTURE")
    notifying.refund("order-1", 100)
    assert references_of(journal_of(inbox, "REFUNDED")) == [("capture", "r-100")]


def test_the_payment_in_a_notification_has_the_orders_amount_whatever_was_moved(notifying, inbox):
    purchase(notifying, "Ann", 600)
    notifying.refund("order-1", 100)
    journal_of(inbox, "REFUNDED")
    amounts = {fromstring(body).find(".//payment/amount").get("value") for body in inbox.bodies}
    assert amounts == {"1050"}


def test_a_payment_is_charged_back_after_an_inquiry_and_some_of_it_returns(sandbox_of, inbox):
    with sandbox_of(notification_url=inbox.url, dispute_seconds=0.05) as url:
        merchant = Merchant(url)
        purchase(merchant, "CHARGEBACK_REVERSED")
        journal_of(inbox, "DISPUTED_FUNDS_RELEASED")
        books = merchant.books("order-1")
    assert inbox.journal_types()[2:] == [
        "INFORMATION_REQUESTED",
        "DISPUTED_FUNDS_HELD",
        "CHARGED_BACK",
        "CHARGEBACK_REVERSED",
        "DISPUTED_FUNDS_RELEASED",
    ]
    assert bookings_of(journal_of(inbox, "DISPUTED_FUNDS_HELD")) == []
    (taken,) = bookings_of(journal_of(inbox, "CHARGED_BACK"))
    assert taken in [("IN_PROCESS_CAPTURED", "1050", "debit"), ("IN_PROCESS_CAPTURED", "525", "debit")]
    assert bookings_of(journal_of(inbox, "CHARGEBACK_REVERSED")) == [(*taken[:2], "credit")]
    assert books["charged_back"] == 0
    assert books["state"] == "disputed_funds_released"


def test_some_charge_backs_are_of_a_part(sandbox_of):
    with sandbox_of(dispute_seconds=0, seed="1") as url:
        merchant = Merchant(url)
        codes = [f"order-{number}" for number in range(12)]
        for code in codes:
            merchant.submit(code, "CHARGED_BACK")
            merchant.capture(code, 1000)
        wait_until(lambda: all(merchant.books(code)["charged_back"] for code in codes), "charge-backs")
        assert {merchant.books(code)["charged_back"] for code in codes} == {500, 1000}


def test_what_was_refunded_before_cannot_be_charged_back(sandbox_of):
    with sandbox_of(dispute_seconds=0.2) as url:
        merchant = Merchant(url)
        purchase(merchant, "CHARGED_BACK")
        merchant.refund("order-1", 1050)
        wait_until(
            lambda: merchant.books("order-1")["events"][-1]["kind"] == "lapsed", "the charge-back to lapse"
        )
        assert merchant.books("order-1")["charged_back"] == 0


def test_a_dispute_can_be_set_off_by_hand(notifying, inbox):
    purchase(notifying, "Ann")
    turn(notifying.url, dispute={"order": "order-1", "event": "CHARGED_BACK", "amount": 300})
    assert notifying.books("order-1")["charged_back"] == 300
    assert balances(notifying.inquire("order-1")) == {"IN_PROCESS_CAPTURED": ("750", "credit")}
    assert notifying.refund("order-1", 751).error[0] == "5"
    turn(notifying.url, dispute={"order": "order-1", "event": "CHARGEBACK_REVERSED"})
    assert notifying.books("order-1")["charged_back"] == 0
    wait_until(lambda: inbox.journal_types()[2:] == ["CHARGED_BACK", "CHARGEBACK_REVERSED"], "both")


@pytest.mark.parametrize(
    "dispute",
    [
        {"order": "order-9", "event": "CHARGED_BACK"},
        {"order": "order-1", "event": "CHARGED_BACK", "amount": 1051},
        {"order": "order-1", "event": "CHARGEBACK_REVERSED"},
    ],
)
def test_a_dispute_that_cannot_be_is_refused(merchant, sandbox, dispute):
    purchase(merchant, "Ann")
    with pytest.raises(AssertionError, match="errors"):
        turn(sandbox, dispute=dispute)
    assert merchant.books("order-1")["charged_back"] == 0


@pytest.mark.parametrize(
    ("number", "refusal", "code"),
    [
        ("4444333322221111", "51", "51"),
        ("4444333322221111", "5", "05"),
        ("4444333322221111", "65", "1A"),
        ("5555555555554444", "65", "65"),
        ("343434343434343", "65", "130"),
        ("343434343434343", "41", "100"),
        ("4444333322221111", "835", "N7"),
    ],
)
def test_a_refusal_may_carry_the_code_of_the_cards_scheme(merchant, sandbox, number, refusal, code):
    turn(sandbox, order={"traits": ["issuer_response_code"]})
    reply = merchant.submit("order-1", f"REFUSED{refusal}", number)
    assert reply.attribute("IssuerResponseCode", "code") == code
    assert reply.root.find(".//ISO8583ReturnCode") is None


def test_an_order_may_be_forgotten_after_its_challenge_until_it_is_inquired_about(sandbox):
    merchant, shopper = Merchant(sandbox), Shopper(sandbox)
    turn(sandbox, order={"traits": ["forgotten_after_challenge"]})
    first = merchant.submit("order-1", number="4000000000002503")
    shopper.choose(first, "approve")
    assert merchant.complete("order-1", machine_cookie(first)).error == ("7", "Could not find order")
    assert merchant.books("order-1")["authorised"] == 1050
    assert merchant.inquire("order-1").text("lastEvent") == "AUTHORISED"


def test_an_order_that_the_copy_does_not_have_yet_is_not_found_or_not_ready(sandbox_of):
    with sandbox_of(replication_seconds=1e6, seed="either way") as url:
        merchant, challenged = Merchant(url), "4000000000002503"
        said = set()
        for number in range(8):
            merchant.submit(f"order-{number}")
            said.add(merchant.inquire(f"order-{number}").error)
            merchant.submit(f"challenged-{number}", number=challenged)
            assert merchant.inquire(f"challenged-{number}").error == ("5", "Could not find payment for order")
        assert said == {("5", "Could not find payment for order"), ("5", "Order not ready")}


def test_a_validation_that_failed_certainly_did_nothing(merchant, sandbox):
    turn(sandbox, knob={"verb": "submit", "fault": "validation_failed"})
    assert merchant.submit("order-1").error == ("5", "XML failed validation")
    assert merchant.books("order-1") == {}
    assert merchant.submit("order-1").text("lastEvent") == "AUTHORISED"


def test_a_reply_may_have_two_payments_that_contradict_each_other(merchant, sandbox):
    merchant.submit("order-1")
    turn(sandbox, knob={"verb": "inquiry", "fault": "two_payments"})
    reply = merchant.inquire("order-1")
    assert [event.text for event in reply.root.iterfind(".//lastEvent")] == ["AUTHORISED", "REFUSED"]


def test_a_reply_may_have_a_payment_and_an_error(merchant, sandbox):
    turn(sandbox, knob={"verb": "submit", "fault": "payment_and_error"})
    reply = merchant.submit("order-1")
    assert (reply.text("lastEvent"), reply.error[0]) == ("AUTHORISED", "1")


def test_a_refund_that_was_taken_is_the_last_event_at_once(sandbox_of):
    with sandbox_of(settle_seconds=0.3) as url:
        merchant = Merchant(url)
        purchase(merchant, "Ann")
        merchant.refund("order-1", 100)
        assert merchant.books("order-1")["refunded"] == 0
        assert merchant.inquire("order-1").text("lastEvent") == "SENT_FOR_REFUND"


def test_a_second_capture_booked_after_a_refund_was_sent_is_the_last_event(sandbox_of):
    with sandbox_of() as url:
        merchant = Merchant(url)
        purchase(merchant, "REFUND_FAILED_THEN_REFUNDED", 600)
        merchant.refund("order-1", 100)
        merchant.capture("order-1", 450)
        booked(merchant, "captured", 1050)
        assert merchant.inquire("order-1").text("lastEvent") == "CAPTURED"


def test_the_provider_may_send_an_event_that_nobody_knows(notifying, inbox):
    purchase(notifying, "Ann")
    turn(notifying.url, dispute={"order": "order-1", "event": "TELEPORTED"})
    assert bookings_of(journal_of(inbox, "TELEPORTED")) == []
    assert notifying.inquire("order-1").text("lastEvent") == "TELEPORTED"
