"""The time for any message from outside is proportional to its size.

The processor time for one size is compared with that for a quarter of it. Quadratic code takes 16 times as
long.
"""

import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from checkout.errors import NotificationRejected, ProviderReplyInvalid
from checkout.payments.providers.base import Verb
from checkout.payments.providers.worldpay_wpg.envelope import MAX_BYTES
from checkout.payments.providers.worldpay_wpg.notifications import parse_notification
from checkout.payments.providers.worldpay_wpg.parse import MAX_LIST_BYTES, parse_listing, parse_reply
from tests.payments.providers.test_worldpay_kept import worldpay
from tests.payments.providers.worldpay_messages import error, journal, named, notification, payment, service

pytestmark = pytest.mark.at_scale

SECONDS = 0.25
LIST_SECONDS = 20.0
# Linear code takes 4 times as long. Times below SHORTEST are too short to compare.
MOST = 9
SHORTEST = 0.01

DOCUMENT_TYPE = b"<!DOCTYPE paymentService SYSTEM 'x'>"


def filled(before: bytes, unit: bytes, after: bytes = b"") -> Callable[[int], bytes]:
    """Return a function that makes a message of a given size by repeating ``unit``."""
    return lambda size: before + unit * max(0, (size - len(before) - len(after)) // len(unit)) + after


def around(message: bytes, unit: bytes, mark: bytes = b"MARK") -> Callable[[int], bytes]:
    before, _, after = message.partition(mark)
    return filled(before, unit, after)


def namespaces(size: int) -> bytes:
    count = size // 30
    declared = "".join(f' xmlns:n{number}="u{number}"' for number in range(count))
    used = "".join(f"<n{number}:x/>" for number in range(count))
    return notification(f"{payment()}<x{declared}>{used}</x>")[:size]


def different_references(size: int) -> bytes:
    references = "".join(
        f'<journalReference type="refund" reference="{number}"/>' for number in range((size - 600) // 50)
    )
    return notification(payment("REFUNDED") + journal("REFUNDED", references=references))


def different_accounts(size: int) -> bytes:
    entry = '<accountTx accountType="A{}"><amount value="1" currencyCode="GBP" exponent="2"/></accountTx>'
    entries = "".join(entry.format(number) for number in range((size - 700) // 93))
    return notification(payment("REFUNDED") + journal("REFUNDED", entries))


def many_attributes(size: int) -> bytes:
    attributes = "".join(f' a{number}="1"' for number in range((size - 600) // 10))
    return notification(f"{payment()}<x{attributes}/>")


WORST = {
    "unclosed CDATA": filled(b"", b"<![CDATA["),
    "unclosed CDATA in a message": around(error(5, "x").replace(b"x]]>", b"MARK"), b"<![CDATA["),
    "closed CDATA and a raw ampersand": around(error(5, "]]>&MARK"), b"<![CDATA[x]]>"),
    "ends of CDATA": around(error(5, "]]>&MARK"), b"]]>"),
    "half-open CDATA": around(error(5, "]]>&MARK"), b"<![CDATA"),
    "raw ampersands": around(error(5, "]]>MARK"), b"&"),
    "almost references": around(error(5, "]]>&MARK"), b"&#1234567"),
    "character references": around(error(5, "]]>MARK"), b"&#49;"),
    "unclosed comments": around(error(5, "]]>&MARK"), b"<!--"),
    "unclosed elements": around(error(5, "]]>MARK"), b"<a"),
    "angle brackets": filled(b"", b"<"),
    "declarations": filled(b"", b"<?xml "),
    "question marks": filled(b"<?xml ", b"?"),
    "encodings": filled(b"<?xml encoding", b" ", b"\xff"),
    "blanks": filled(b"", b" ", b"x"),
    "blanks and tags": around(error(5, "]]>MARK"), b"<a> </a>"),
    "nested elements": around(error(5, "]]>MARK"), b"<a>" * 30 + b"</a>" * 30),
    "a slow encoding": filled(b"<?xml version='1.0' encoding='punycode'?>", b"a-b", b"\xff"),
    "document types": filled(DOCUMENT_TYPE, b"<!DOCTYPE x>"),
    "digits in an event": around(notification(payment("MARK")), b"4 "),
    "card numbers in an event": around(notification(payment("MARK")), b"4444333322221111 "),
    "card numbers in a reference": around(
        notification(payment("REFUNDED") + journal("REFUNDED", references=named(refund="MARK"))), b"4 "
    ),
    "names of secrets": around(notification(payment("MARK")), b"password="),
    "sealed cards": around(error(3, "MARK"), b"eyJhbGciOiJS."),
    "digits in an error": around(error(3, "MARK"), b"1 "),
    "blanks in an amount": around(notification(payment(money='<amount value="1MARK"/>')), b" "),
    "digits in an amount": around(notification(payment(money='<amount value="1MARK"/>')), b"9"),
    "lines": around(notification(payment("MARK")), b"\n"),
    "last events": around(notification(payment(extra="MARK")), b"<lastEvent>A</lastEvent>"),
    "payments": around(notification("MARK"), b"<payment/>"),
    "balances": around(notification(payment(extra="MARK")), b"<balance/>"),
    "journals": around(notification(payment() + "MARK"), b'<journal journalType="A"/>'),
    "events": around(service("<notify>MARK</notify>"), b"<orderStatusEvent/>"),
    "form fields": filled(b"OrderCode=1", b"&a=b"),
    "a long form field": filled(b"", b"a"),
    "namespaces": namespaces,
    "references": different_references,
    "accounts": different_accounts,
    "attributes": many_attributes,
    "names of secrets in attributes": around(notification(payment(extra="MARK")), b'<a b="cvc=1 :"/>'),
}


def as_reply(body: bytes) -> bytes:
    """Return the content of a notification in the form of a reply."""
    body = body.replace(b"<notify>", b"<reply>").replace(b"</notify>", b"</reply>")
    return body.replace(b"orderStatusEvent", b"orderStatus")


def read(body: bytes) -> None:
    PROVIDER.scrub(body)
    with suppress(NotificationRejected):
        parse_notification(body)
    with suppress(ProviderReplyInvalid):
        parse_reply(as_reply(body), Verb.INQUIRE)
    with suppress(ProviderReplyInvalid):
        parse_reply(body, Verb.CAPTURE)


PROVIDER = worldpay()


def read_list(body: bytes) -> None:
    with suppress(ProviderReplyInvalid):
        parse_listing(body)


def seconds(act: Callable[[bytes], None], body: bytes, times: int = 5) -> float:
    """Return the least time of several runs, to reduce the influence of other programs."""

    def once() -> float:
        start = time.process_time()
        act(body)
        return time.process_time() - start

    return min(once() for _ in range(times))


@pytest.mark.parametrize("made", WORST.values(), ids=WORST.keys())
def test_the_worst_message_of_the_largest_size_takes_time_in_proportion(made):
    largest = made(MAX_BYTES)
    assert MAX_BYTES * 0.9 < len(largest) <= MAX_BYTES
    whole, quarter = seconds(read, largest), seconds(read, made(MAX_BYTES // 4))
    assert whole < SECONDS
    assert whole < SHORTEST or whole < MOST * quarter


LISTS = {
    "orders": around(
        service("<reply>MARK</reply>"),
        b'<orderStatus orderCode="order-1">' + payment().encode() + b"</orderStatus>",
    ),
    "small orders": around(service("<reply>MARK</reply>"), b'<orderStatus orderCode="1"/>'),
    "unclosed CDATA": around(service("<reply>&MARK</reply>"), b"<![CDATA["),
    "raw ampersands": around(service("<reply>MARK</reply>"), b"&&&&xxxxxxxxxxxx"),
    "text": around(service("<reply>&MARK</reply>"), b"x "),
}


@pytest.mark.slow
@pytest.mark.parametrize("made", LISTS.values(), ids=LISTS.keys())
def test_the_largest_list_takes_time_in_proportion(made):
    whole, quarter = (seconds(read_list, made(size), 2) for size in (MAX_LIST_BYTES, MAX_LIST_BYTES // 4))
    assert whole < LIST_SECONDS
    assert whole < MOST * quarter
