"""Limits on the processor time of a request: of the event loop's thread and of all threads, in seconds.

Time spent waiting for the processor is not counted. The least of up to ten attempts counts, because other
programs on the same machine displace the processor's caches.
"""

import functools
import time

import pytest
from django.http import HttpResponse
from django.test import RequestFactory

from checkout.privacy.card_numbers import contains, find
from checkout.privacy.scrubbing import contains_card_number, scrub_text
from checkout.web.protection.card_guard import CardNumberGuardMiddleware
from payments_gateway.serving.http.request_head import MAX_BYTES_OF_A_NAME, MAX_TARGET_BYTES

pytestmark = pytest.mark.at_scale

# Twice the time that a busy machine with two processors needs. A search that is not linear takes seconds.
LOOP_SECONDS = 0.1
# The limit for all threads. Bodies are parsed in a single thread; most of the time is Python's form parsing.
ALL_SECONDS = 0.5
# The limit for texts that are searched and scrubbed elsewhere. A quadratic search would take minutes.
TEXT_SECONDS = 0.5

BODY_BYTES = 262_144
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=b"
PART = b'--b\r\nContent-Disposition: form-data; name="n"'


def filled(text, size=BODY_BYTES):
    """Repeat the text up to this size."""
    data = text.encode()
    return data * (size // len(data))


async def taken(do):
    """Return the least processor time of this thread, which is the loop's, and of all threads."""
    least_of_loop = least_of_all = float("inf")
    for _ in range(10):
        loop, everything = time.thread_time(), time.process_time()
        await do()
        least_of_loop = min(least_of_loop, time.thread_time() - loop)
        least_of_all = min(least_of_all, time.process_time() - everything)
        if least_of_loop < LOOP_SECONDS and least_of_all < ALL_SECONDS:
            break
    return least_of_loop, least_of_all


def least_seconds(do):
    """Return the least processor time of three runs."""

    def once():
        begin = time.process_time()
        do()
        return time.process_time() - begin

    return min(once() for _ in range(3))


async def guarded(body, content_type):
    guard = CardNumberGuardMiddleware(lambda _request: HttpResponse())
    request = RequestFactory(SERVER_NAME="localhost").post("/checkout/", body, content_type=content_type)
    await guard.before_on_loop(request)


TEXTS = {
    "digits and blanks": "4 ",
    "zeros and blanks": "0 ",
    "digits": "4",
    "numbers that are nearly cards": "4444333322221112 ",
    "the shortest runs": "4444444444444x",
    "gaps": "4444444444444   ",
    "words": "0000000000000 a ",
    "hyphens": "0000000000000-",
    "digits of other scripts": "\u0664\u00a0",
    "digits between letters": "é4 4 4 4 4 4 4 4 4 4 4 4 ",
    "nearly UUIDs": "00000000-0000-0000-0000-00000000000 ",
    "JSON escapes": "\\u0034",
    "percent escapes": "%34",
    "escaped escapes": "%5Cu0034",
    "all escaped": "%5C%75%30%30%33%34",
    "escaped blanks": "%34%20",
    "fields": "4=4&",
    "plus signs": "4+",
    "tags": "<pan ",
    "open elements": "<pan>",
    "compact tokens": "eyJ_eyJ_.",
}
BODIES = {
    **{f"{name} as text": ("text/plain", filled(text)) for name, text in TEXTS.items()},
    **{f"{name} as a form": (FORM, filled(text)) for name, text in TEXTS.items()},
    "many fields": (FORM, b"&".join(b"%d=%s" % (number, 140 * b"4+") for number in range(900))),
    "many parts": (MULTIPART, filled(PART.decode() + "\r\n\r\n4 4\r\n")),
    "a part": (MULTIPART, PART + b"\r\n\r\n" + filled("4 ", 260_000) + b"\r\n--b--"),
    "nearly boundaries": (MULTIPART, PART + b"\r\n\r\n" + filled("\r\n--", 260_000)),
    "a long name": (MULTIPART, PART[:-2] + filled("4 ", 260_000) + b'"\r\n\r\n4\r\n--b--'),
    "headers of a part": (MULTIPART, b"--b\r\n" + filled("a: b\r\n", 260_000) + b"\r\n4\r\n--b--"),
    "a part in base64": (
        MULTIPART,
        PART + b"\r\nContent-Transfer-Encoding: base64\r\n\r\n" + filled("NCA0IDQg", 260_000) + b"\r\n--b--",
    ),
}


@pytest.mark.parametrize(("content_type", "body"), BODIES.values(), ids=BODIES)
async def test_a_body_of_the_largest_size_does_not_hold_up_the_loop(content_type, body):
    loop, everything = await taken(lambda: guarded(body, content_type))
    assert loop < LOOP_SECONDS
    assert everything < ALL_SECONDS


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
async def test_a_body_that_is_looked_at_on_the_loop_does_not_hold_it_up(text):
    loop, _ = await taken(lambda: guarded(filled(text, 16_384), FORM))
    assert loop < LOOP_SECONDS


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_text_is_searched_and_scrubbed_in_linear_time(text):
    data = filled(text).decode()

    def search_and_scrub() -> None:
        contains_card_number(data)
        scrub_text(data)

    assert least_seconds(search_and_scrub) < TEXT_SECONDS


def test_a_text_full_of_card_numbers_is_masked_in_linear_time():
    text = filled("4444333322221111 ").decode()

    def mask() -> None:
        assert contains(text)
        assert len(list(find(text))) == BODY_BYTES // 17
        assert "1111" not in scrub_text(text)

    assert least_seconds(mask) < 2 * TEXT_SECONDS


HEADERS = {
    "accept": ("a/b,", "a/b;q=0.1;x=1,", ";q=0", ","),
    "cookie": ("a=b;", 'a="\\";', ";", 'csrftoken="\\101'),
    "content-type": (";a=b", ';a="', "a*=utf-8''%;"),
    "prefer": ("wait=1,", 'a="b\\"', " ", ";"),
    "if-none-match": ('"a",', 'W/"a" ', '"', " "),
    "if-modified-since": (" Mon", "1"),
    "range": ("1-2,", "0-,"),
    "origin": ("a:", "[", "http://"),
    "referer": ("a.", "http://"),
    "host": ("a.", "["),
    "x-forwarded-for": ("127.0.0.1,",),
    "x-csrftoken": ("a",),
}
FIRST = {"content-type": "multipart/form-data", "accept": "text/html", "range": "bytes=", "host": "localhost"}
CASES = [(name, text) for name, texts in HEADERS.items() for text in texts]
TARGETS = ("4+", "4%20", "a=1&", "%5Cu0034", "%E4", "0")


@pytest.mark.parametrize("page", ["status.json", "pay/"])
@pytest.mark.parametrize(("name", "text"), CASES)
async def test_a_header_of_the_largest_size_does_not_hold_up_the_loop(shop, checkout, page, name, text):
    value = FIRST.get(name, "") + filled(text, MAX_BYTES_OF_A_NAME - 40).decode()
    await checkout.get()
    path = checkout.path(page)
    loop, _ = await taken(lambda: checkout.client.post(path, b"x", headers={name: value}))
    assert loop < LOOP_SECONDS


async def test_the_largest_headers_together_do_not_hold_up_the_loop(shop, checkout):
    names = ("accept", "cookie", "content-type", "if-none-match")
    headers = {name: FIRST.get(name, "") + filled(HEADERS[name][0], 16_000).decode() for name in names}
    await checkout.get()
    path = checkout.path("pay/")
    loop, _ = await taken(lambda: checkout.client.post(path, b"x", headers=headers))
    assert loop < LOOP_SECONDS


@pytest.mark.parametrize("text", TARGETS)
async def test_an_address_of_the_largest_size_does_not_hold_up_the_loop(shop, checkout, text):
    await checkout.get()
    for start in ("?", "status.json?", "x"):
        page = start + filled(text, MAX_TARGET_BYTES - 80).decode()
        loop, _ = await taken(functools.partial(checkout.get, page))
        assert loop < LOOP_SECONDS
