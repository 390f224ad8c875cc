"""The sums that follow from a payment's balances, and balances from which no sums follow."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from defusedxml.ElementTree import fromstring
from lxml import etree

from checkout.errors import ListIncomplete, ProviderReplyInvalid
from checkout.money import Money
from checkout.payments.providers.base import EventKind, Outcome, Position, Verb, WholePosition
from checkout.payments.providers.worldpay_wpg import build, codes
from checkout.payments.providers.worldpay_wpg.parse import parse_listing, parse_reply
from tests.payments.providers.worldpay_messages import amount, balance, error, paid, payment, service

SETUP = build.Setup(merchant_code="TEAPOTS")


def gbp(authorised: int, captured: int, refunded: int) -> WholePosition:
    return WholePosition(
        authorised=Money(authorised, "GBP"), captured=Money(captured, "GBP"), refunded=Money(refunded, "GBP")
    )


def position(event: str, *balances: str) -> Position | None:
    return parse_reply(paid(event, "".join(balances)), Verb.INQUIRE).position


HELD, KEPT = "IN_PROCESS_AUTHORISED", "IN_PROCESS_CAPTURED"


@pytest.mark.parametrize(
    ("event", "balances", "expected"),
    [
        ("AUTHORISED", [balance(HELD, 1050)], gbp(1050, 0, 0)),
        ("CAPTURED", [balance(KEPT, 1050)], gbp(1050, 1050, 0)),
        ("CAPTURED", [balance(HELD, 450), balance(KEPT, 600)], gbp(1050, 600, 0)),
        ("AUTHORISED", [balance(HELD, 450), balance(KEPT, 600)], gbp(1050, 600, 0)),
        ("AUTHORISED", [balance(KEPT, 1050)], gbp(1050, 1050, 0)),
        ("SENT_FOR_REFUND", [balance(HELD, 20), balance(KEPT, 30)], gbp(1050, 1030, 1000)),
        ("REFUNDED", [balance(HELD, 450), balance(KEPT, 250)], gbp(1050, 600, 350)),
        ("REFUND_FAILED", [balance(KEPT, 1050)], gbp(1050, 1050, 0)),
        ("REFUND_FAILED", [balance(HELD, 450), balance(KEPT, 350)], gbp(1050, 600, 250)),
        ("PARTIAL_CAPTURED", [balance(HELD, 450), balance(KEPT, 600)], gbp(1050, 600, 0)),
        ("REFUSED", [], gbp(0, 0, 0)),
        ("CANCELLED", [], gbp(0, 0, 0)),
        ("EXPIRED", [], gbp(0, 0, 0)),
        ("CANCELLED", [balance(HELD, 0)], gbp(0, 0, 0)),
    ],
)
def test_balances_tell_the_position_to_the_minor_unit(event, balances, expected):
    assert position(event, *balances) == expected


def told(**sums: int) -> Position:
    return Position(**{name: Money(minor, "GBP") for name, minor in sums.items()})


@pytest.mark.parametrize(
    ("event", "balances", "expected"),
    [
        ("CAPTURED", [balance(KEPT, 2500)], told(captured=2500)),
        ("AUTHORISED", [balance(KEPT, 1051)], told(captured=1051)),
        (
            "SETTLED",
            [balance("SETTLED_BIBIT_NET", 2450), balance("SETTLED_BIBIT_COMMISSION", 50)],
            told(captured=2500),
        ),
        (
            "CHARGED_BACK",
            [balance(KEPT, 1100), balance("CHARGED_BACK", 400)],
            told(captured=1500, charged_back=400),
        ),
        ("CHARGED_BACK", [balance(KEPT, 650), balance("CHARGED_BACK", 400)], told(charged_back=400)),
        ("CAPTURED", [balance(KEPT, 1050), balance("CHARGED_BACK", 0)], told(charged_back=0)),
    ],
)
def test_money_beyond_the_order_and_charge_backs_are_told_beside_sums_that_are_not(event, balances, expected):
    assert position(event, *balances) == expected


@pytest.mark.parametrize(
    "balances",
    [
        [balance(KEPT, 2500, "EUR")],
        [balance(KEPT, 2500), balance("SETTLED_BIBIT_NET", 100, "EUR")],
        [balance(KEPT, 1050), balance("SETTLED_BIBIT_NET", 1050, indicator="debit")],
        [balance("CHARGED_BACK", 400, "EUR")],
        [balance("CHARGED_BACK", 400, indicator="debit")],
    ],
)
def test_no_charge_back_and_no_surplus_follows_from_other_money(balances):
    assert position("CHARGED_BACK", *balances) is None


@pytest.mark.parametrize(
    ("event", "balances"),
    [
        ("AUTHORISED", []),
        ("CAPTURED", []),
        ("SETTLED", [balance("SETTLED_BIBIT_NET", 1050)]),
        ("REFUNDED", [balance("SETTLED_BIBIT_NET", 900)]),
        ("CHARGED_BACK", []),
        ("SHOPPER_REDIRECTED", []),
        ("TELEPORTED", [balance(HELD, 1050)]),
        ("AUTHORISED", [balance(HELD, 1051)]),
        ("CAPTURED", [balance(HELD, 600), balance(KEPT, 600)]),
        ("AUTHORISED", [balance(HELD, 1050, "EUR")]),
        ("AUTHORISED", [balance(HELD, "much")]),
        ("AUTHORISED", [balance(HELD, 1100), balance(KEPT, 50, indicator="debit")]),
        ("CAPTURED", [balance(KEPT, 600), balance(KEPT, 1050)]),
        ("REFUNDED", []),
        ("SENT_FOR_REFUND", []),
        ("REFUND_FAILED", []),
        ("PARTIAL_CAPTURED", []),
        ("REFUNDED", [balance(HELD, 450)]),
        ("CAPTURED", [balance(HELD, 450)]),
        ("AUTHORISED", [balance(KEPT, 0)]),
        ("AUTHORISED", [balance(HELD, 0)]),
        ("AUTHORISED", [balance(HELD, 600)]),
        ("REFUNDED", [balance(KEPT, 30), balance("SETTLED_BIBIT_NET", 900)]),
        ("CAPTURED", [balance(KEPT, 1050), balance("NEW_ACCOUNT", 1)]),
        ("CAPTURED", [balance(KEPT, 600, indicator="debit")]),
        ("CAPTURED", [balance(KEPT, 600), balance(KEPT, 450)]),
        ("CANCELLED", [balance(KEPT, 600)]),
        ("REFUSED", [balance(HELD, 1050)]),
        ("CAPTURED", [f'<balance accountType="{HELD}"/>', balance(KEPT, 1050)]),
    ],
)
def test_what_does_not_add_up_is_not_guessed(event, balances):
    assert position(event, *balances) is None


@pytest.mark.parametrize(
    ("event", "balances", "kept"),
    [
        ("AUTHORISED", [balance(KEPT, 600)], 600),
        ("CAPTURED", [balance(KEPT, 600)], 600),
        ("CAPTURED", [balance(HELD, 0), balance(KEPT, 600)], 600),
        ("PARTIAL_CAPTURED", [balance(KEPT, 600)], 600),
        ("SENT_FOR_REFUND", [balance(KEPT, 30)], 30),
        ("REFUNDED", [balance(KEPT, 0)], 0),
        ("REFUNDED", [balance(HELD, 0), balance(KEPT, 30)], 30),
        ("REFUND_FAILED", [balance(KEPT, 600)], 600),
        ("CANCELLED", [balance(KEPT, 600)], 600),
        ("EXPIRED", [balance(HELD, 0), balance(KEPT, 600)], 600),
        ("CANCELLED", [balance(KEPT, 1050)], 1050),
    ],
)
def test_what_is_kept_is_told_where_a_rest_may_have_been_released(event, balances, kept):
    result = parse_reply(paid(event, "".join(balances)), Verb.INQUIRE)
    assert (result.position, result.kept) == (None, Money(kept, "GBP"))
    assert (result.outcome, result.refusal) == (Outcome.APPROVED, None)


def test_the_answer_to_a_payment_that_is_captured_at_once_is_its_authorisation():
    result = parse_reply(paid("AUTHORISED", balance(KEPT, 1050)), Verb.AUTHORISE)
    assert (result.outcome, result.kind) == (Outcome.APPROVED, EventKind.AUTHORISED)
    assert result.amount == Money(1050, "GBP")


@pytest.mark.parametrize(
    "event", ["SENT_FOR_REFUND", "SENT_FOR_FAST_REFUND", "REFUNDED", "REFUNDED_BY_MERCHANT"]
)
def test_sums_from_before_the_last_refund_are_not_taken_for_its_absence(event):
    assert position(event, balance(KEPT, 1050)) is None


def test_sums_from_before_the_last_capture_are_not_taken_for_its_absence():
    assert position("CAPTURED", balance(HELD, 1050), balance(KEPT, 0)) is None


def test_an_order_of_a_list_that_says_two_things_is_unknown_and_the_others_are_read():
    statuses = "".join(
        f'<orderStatus orderCode="{code}">{content}</orderStatus>'
        for code, content in (
            ("order-1", payment("REFUSED") + payment("AUTHORISED")),
            ("order-2", payment("AUTHORISED", money=amount(1050, "ZZZ"))),
            ("order-3", payment("AUTHORISED")),
        )
    )
    told = parse_listing(service(f"<reply>{statuses}</reply>"))
    assert [(result.order_code, result.outcome, result.event) for result in told] == [
        ("order-1", Outcome.UNKNOWN, "CONTRADICTORY"),
        ("order-2", Outcome.UNKNOWN, "UNREADABLE"),
        ("order-3", Outcome.APPROVED, "AUTHORISED"),
    ]


@pytest.mark.parametrize("content", [payment("AUTHORISED"), payment("REFUSED") + payment("AUTHORISED"), ""])
def test_an_order_of_another_program_is_listed_with_its_code_as_it_is(content):
    """For any other code, the provider would answer an inquiry that it has no such order."""
    [told] = parse_listing(service(f'<reply><orderStatus orderCode=" 47 ">{content}</orderStatus></reply>'))
    assert told.order_code == " 47 "


def test_an_order_without_a_code_is_not_taken_for_one_of_ours():
    with pytest.raises(ProviderReplyInvalid):
        parse_listing(service(f"<reply><orderStatus>{payment()}</orderStatus></reply>"))


def test_a_list_is_read_with_the_exponents_of_its_account():
    status = f'<orderStatus orderCode="order-1">{payment(money=amount(1000, "HUF", 0))}</orderStatus>'
    [told] = parse_listing(service(f"<reply>{status}</reply>"), {"HUF": 0})
    assert told.amount == Money(100000, "HUF")


def test_a_list_has_a_result_for_every_order():
    statuses = "".join(
        f'<orderStatus orderCode="{code}">{payment(event, balances)}</orderStatus>'
        for code, event, balances in (
            ("order-1", "AUTHORISED", balance(HELD, 1050)),
            ("order-2", "REFUSED", ""),
        )
    )
    told = parse_listing(service(f"<reply>{statuses}</reply>"))
    assert {result.order_code: result.position for result in told} == {
        "order-1": gbp(1050, 0, 0),
        "order-2": gbp(0, 0, 0),
    }
    assert parse_listing(service("<reply></reply>")) == []


def test_a_list_may_be_longer_than_a_reply():
    status = f'<orderStatus orderCode="order-1">{payment()}</orderStatus>'
    assert len(parse_listing(service(f"<reply>{status * 1_000}</reply>"))) == 1_000


def test_a_list_that_was_cut_is_not_taken_for_the_whole_one():
    status = f'<orderStatus orderCode="order-1">{payment()}</orderStatus>'
    assert len(parse_listing(service(f'<reply complete="true">{status}</reply>'))) == 1
    with pytest.raises(ListIncomplete):
        parse_listing(service(f'<reply complete="false">{status}</reply>'))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        error(5),
        service("<notify/>"),
        service('<reply><batchStatus merchantBatchCode="1"/></reply>'),
        service("<reply><ok/></reply>"),
        service(f'<reply><orderStatus orderCode="order-1">{payment()}</orderStatus><token/></reply>'),
    ],
)
def test_what_is_no_list_is_not_taken_for_an_empty_one(body):
    with pytest.raises(ProviderReplyInvalid):
        parse_listing(body)


def test_the_actions_that_the_grammar_allows_after_a_list_are_no_orders():
    status = f'<orderStatus orderCode="order-1">{payment()}</orderStatus>'
    assert len(parse_listing(service(f"<reply>{status}<actions/></reply>"))) == 1
    assert parse_listing(service("<reply><actions/></reply>")) == []


def test_a_list_is_asked_for_in_utc():
    since = datetime(2026, 11, 25, 1, 2, 3, tzinfo=timezone(timedelta(hours=2)))
    message = fromstring(build.listing(since, datetime(2026, 11, 25, tzinfo=UTC), SETUP))
    dates = [date.attrib for date in message.iterfind("inquiry/orderInquiry/dateSearch/*/date")]
    assert dates[0] == {
        "dayOfMonth": "24",
        "month": "11",
        "year": "2026",
        "hour": "23",
        "minute": "02",
        "second": "03",
    }
    assert dates[1]["hour"] == "00"


@pytest.mark.dtd
def test_the_question_for_a_list_is_valid(dtd):
    grammar = etree.DTD(str(dtd))
    message = build.listing(datetime.now(UTC), datetime.now(UTC), SETUP)
    parser = etree.XMLParser(load_dtd=False, no_network=True, resolve_entities=False)
    assert grammar.validate(etree.fromstring(message, parser)), grammar.error_log


def test_an_event_that_refuses_an_order_never_is_one_of_those_that_say_nothing_of_its_money():
    refused = {kind for outcome, kind in codes.EVENTS.values() if outcome == Outcome.REFUSED}
    assert EventKind.OTHER not in refused
