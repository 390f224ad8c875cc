"""The guard refuses card numbers in every form, but not other data with as many digits."""

import base64
import json
import re
from urllib.parse import quote, quote_plus

import pytest
from django.http import HttpResponse
from django.test import RequestFactory
from hypothesis import given, strategies as st

from checkout.web.protection.card_guard import CardNumberGuardMiddleware
from payments_gateway.serving.security.headers import SecurityHeadersMiddleware, content_security

# Public test numbers. The first one has the fewest digits that a card number can have.
CARDS = ["4911830000000", "4444333322221111", "343434343434343", "4000000000000000006"]
SCRIPTS = {
    "ASCII": ord("0"),
    "full-width": 0xFF10,
    "Arabic-Indic": 0x0660,
    "Devanagari": 0x0966,
    "mathematical": 0x1D7CE,
}
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=b"

cards = st.sampled_from(CARDS)
scripts = st.sampled_from(sorted(SCRIPTS))
separators = st.sampled_from(["", " ", "-", "\u00a0", "  ", " -", "\u2009", "\u202f", "\u2011", "\u2013"])
words = st.text(st.sampled_from("abc xyz.,:/é"), max_size=20)


def written(card, separator, script):
    digits = [chr(SCRIPTS[script] + int(digit)) for digit in card]
    return separator.join(digits)


def is_refused(query="", body="", content_type=FORM, path="/checkout/"):
    """Return True if the middleware refuses the request. It has no view behind it."""
    if body:
        request = RequestFactory().post(f"{path}?{query}", body.encode(), content_type=content_type)
    else:
        request = RequestFactory().get(f"{path}?{query}")
    chain = SecurityHeadersMiddleware(CardNumberGuardMiddleware(lambda _request: HttpResponse()))
    response = chain(request)
    assert response.status_code in (200, 400)
    return response.status_code == 400


def multipart(value, *headers):
    head = "\r\n".join(['Content-Disposition: form-data; name="n"', *headers])
    return f"--b\r\n{head}\r\n\r\n{value}\r\n--b--\r\n"


@given(cards, separators, scripts, words, words)
def test_a_card_number_is_refused_in_every_kind_of_body(card, separator, script, before, after):
    value = f"{before} {written(card, separator, script)} {after}"
    assert is_refused(body=f"n={quote_plus(value)}")
    assert is_refused(body=f"n={quote(value, safe='')}")
    assert is_refused(body=json.dumps({"n": value}, ensure_ascii=False), content_type="application/json")
    assert is_refused(body=multipart(value), content_type=MULTIPART)
    assert is_refused(body=value, content_type="text/plain")


@given(cards, separators, scripts)
def test_a_card_number_is_refused_in_an_address(card, separator, script):
    value = written(card, separator, script)
    assert is_refused(query=f"n={quote_plus(value)}")
    assert is_refused(query=f"n={quote(value, safe='')}", body="n=1")


@given(cards)
def test_a_card_number_is_refused_with_each_digit_percent_encoded(card):
    encoded = "".join(f"%{ord(digit):02X}" for digit in card)
    assert is_refused(query=f"n={encoded}")
    assert is_refused(body=f"n={encoded}")


@given(cards, scripts)
def test_a_card_number_is_refused_with_each_digit_escaped_as_json_may(card, script):
    units = re.findall("....", written(card, "", script).encode("utf-16-be").hex())
    escaped = '{"n": "' + "".join(f"\\u{unit}" for unit in units) + '"}'
    assert is_refused(body=escaped, content_type="application/json")
    assert is_refused(body=f"data={quote(escaped)}")
    assert is_refused(query=f"data={quote(escaped)}")


@pytest.mark.parametrize("escape", [r"\t", r"\n", r"\r", r"\/", r"\b", r"\f", r"\"", r"\\"])
@pytest.mark.parametrize("card", CARDS)
def test_a_card_number_is_refused_after_a_short_escape(card, escape):
    body = f'{{"n": "{escape}{card}{escape}"}}'
    assert json.loads(body)["n"][1:-1] == card
    assert is_refused(body=body, content_type="application/json")
    spaced = r"\t".join(re.findall("..?", card))
    assert is_refused(body=f'{{"n": "{spaced}"}}', content_type="application/json")


@given(cards)
def test_a_card_number_is_refused_in_the_encoding_of_a_part(card):
    value = base64.b64encode(card.encode()).decode()
    assert is_refused(body=multipart(value, "Content-Transfer-Encoding: base64"), content_type=MULTIPART)


@given(cards)
def test_a_card_number_is_refused_as_the_name_of_a_field_or_a_part_of_the_path(card):
    encoded = "".join(f"%{ord(digit):02X}" for digit in card)
    assert is_refused(body=f"{encoded}=1")
    assert is_refused(path=f"/checkout/{card}/")


@given(cards, st.sampled_from(["", " ", "-"]), st.sampled_from(["Accept", "User-Agent"]), words)
def test_a_card_number_is_refused_in_a_header_that_is_stored(card, separator, header, word):
    value = f"{word} {separator.join(card)}"
    request = RequestFactory().post("/checkout/", headers={header: value})
    assert CardNumberGuardMiddleware(lambda _request: HttpResponse())(request).status_code == 400


@given(cards, words)
def test_a_card_number_in_one_field_is_refused_among_others(card, word):
    assert is_refused(body=f"a=1&b={quote_plus(word)}&c={card}&d=2")
    assert is_refused(body=json.dumps([1, {"a": word}, {"b": [int(card)]}]), content_type="application/json")


@given(cards, st.integers(min_value=7, max_value=12))
def test_digits_of_different_fields_make_no_card_number(card, cut):
    first, second = card[:cut], card[cut:]
    assert not is_refused(body=f"a={first}&b={second}")
    assert not is_refused(query=f"a={first}", body=f"b={second}")
    assert not is_refused(body=json.dumps([first, second]), content_type="application/json")


@pytest.mark.parametrize(
    "body", ["", "n=491183000000", "n=4444333322221112", "n=pay_44443333222211110000444433332222", "n=éàü"]
)
def test_what_holds_no_card_number_passes(body):
    assert not is_refused(body=body)


@pytest.mark.parametrize("text", ["0" * 200_000, "-" * 200_000, "0000000000000 " * 10_000, "é0" * 50_000])
def test_a_body_of_nothing_but_digits_takes_no_longer_than_another(text):
    """If the time grew with the square of the length, this test would not end within its time-out."""
    assert not is_refused(query="n=0000000000000", body=text, content_type="text/plain")


def headers_after(allow):
    def view(request):
        allow(content_security(request))
        return HttpResponse()

    return SecurityHeadersMiddleware(view)(RequestFactory().get("/")).headers


def test_what_one_page_allows_no_other_page_has():
    strict = dict(headers_after(lambda _policy: None))
    opened = headers_after(lambda policy: policy.allow("frame-ancestors", "'self'"))
    scripted = headers_after(lambda policy: policy.nonce)
    assert opened["X-Frame-Options"] == "SAMEORIGIN"
    assert "frame-ancestors 'self'" in opened["Content-Security-Policy"]
    assert "'nonce-" in scripted["Content-Security-Policy"]
    assert dict(headers_after(lambda _policy: None)) == strict
    assert strict["X-Frame-Options"] == "DENY"
    assert "frame-ancestors 'none'" in strict["Content-Security-Policy"]
    assert "nonce" not in strict["Content-Security-Policy"]
