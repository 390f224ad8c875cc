"""The XML end point: its authentication, its requests, and its magic values."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.sandbox.merchant import Merchant, machine_cookie


@pytest.mark.parametrize(
    ("holder", "number", "last_event", "code"),
    [
        ("A. Shopper", "4444333322221111", "AUTHORISED", None),
        ("AUTHORISED", "4000000000000002", "AUTHORISED", None),
        ("REFUSED", "4444333322221111", "REFUSED", "5"),
        ("REFUSED51", "4444333322221111", "REFUSED", "51"),
        ("ERROR", "4444333322221111", "ERROR", None),
        ("CANCELLED", "4444333322221111", "CANCELLED", None),
        ("A. Shopper", "4000000000000002", "REFUSED", "5"),
        ("A. Shopper", "4000000000009995", "REFUSED", "51"),
    ],
)
def test_the_holder_name_or_the_card_number_chooses_the_end(merchant, holder, number, last_event, code):
    reply = merchant.submit("order-1", holder, number)
    assert reply.text("lastEvent") == last_event
    assert reply.attribute("ISO8583ReturnCode", "code") == code
    assert merchant.inquire("order-1").text("lastEvent") == last_event


@pytest.mark.parametrize(
    ("holder", "number", "last_event", "result", "eci"),
    [
        ("A. Shopper", "4000000000002701", "AUTHORISED", "Cardholder authenticated", "05"),
        ("A. Shopper", "5200000000002235", "AUTHORISED", "Cardholder authenticated", "02"),
        (
            "3DS_V2_FRICTIONLESS_IDENTIFIED",
            "4444333322221111",
            "AUTHORISED",
            "Cardholder authenticated",
            "05",
        ),
        (
            "3DS_V2_FRICTIONLESS_NOT_IDENTIFIED",
            "4444333322221111",
            "AUTHORISED",
            "Attempted authentication",
            "06",
        ),
        (
            "3DS_V2_FRICTIONLESS_VALID_ERROR",
            "4444333322221111",
            "AUTHORISED",
            "Authentication unavailable",
            "07",
        ),
        ("3DS_V2_FRICTIONLESS_REJECTED", "4444333322221111", "REFUSED", "Rejected by issuer", None),
        ("A. Shopper", "4000000000002925", "REFUSED", "Failed", None),
        ("AUTHORISES_UNAUTHENTICATED", "4000000000002925", "AUTHORISED", "Failed", None),
    ],
)
def test_authentication_without_a_challenge(merchant, holder, number, last_event, result, eci):
    reply = merchant.submit("order-1", holder, number)
    assert reply.text("lastEvent") == last_event
    assert reply.attribute("ThreeDSecureResult", "description") == result
    assert reply.text("eci") == eci
    assert reply.root.find(".//challengeRequired") is None


def test_nobody_is_authenticated_in_an_order_without_3ds_data(merchant):
    reply = merchant.submit("order-1", "3DS_V2_CHALLENGE_IDENTIFIED", three_ds=False)
    assert reply.text("lastEvent") == "AUTHORISED"
    assert reply.root.find(".//ThreeDSecureResult") is None


@pytest.mark.parametrize("credentials", [("SANDBOXMERCHANT", "wrong"), ("wrong", "sandbox-password")])
def test_wrong_credentials_get_an_html_page(merchant, credentials):
    response = merchant.post_raw(b"<paymentService/>", auth=credentials)
    assert response.status_code == 401
    assert response.headers["content-type"].startswith("text/html")
    assert "Basic" in response.headers["www-authenticate"]


def test_missing_credentials_get_an_html_page(merchant):
    response = merchant.post_raw(b"", auth=lambda request: request, headers={"Authorization": "Basic ???"})
    assert response.status_code == 401


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not xml",
        b"<paymentService",
        b'<?xml version="1.0" encoding="no-such"?><paymentService/>',
        b"<paymentService><submit><shopper/></submit></paymentService>",
        b'<!DOCTYPE a [<!ENTITY b "c">]><paymentService>&b;</paymentService>',
        b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><paymentService>&b;</paymentService>',
    ],
)
def test_what_cannot_be_read_is_a_parse_error(merchant, body):
    response = merchant.post_raw(body)
    assert response.status_code == 200
    assert '<error code="2">' in response.text


def test_a_body_beyond_the_limit_is_refused(merchant):
    assert merchant.post_raw(b"x" * (256 * 1024 + 1)).status_code == 413


def test_another_merchant_code_is_a_security_violation(merchant):
    inquiry = b'<inquiry><orderInquiry orderCode="1"/></inquiry>'
    response = merchant.post_raw(
        b'<paymentService version="1.4" merchantCode="OTHER">' + inquiry + b"</paymentService>"
    )
    assert '<error code="4">' in response.text


@pytest.mark.parametrize("order_code", ["", "x" * 65])
def test_an_order_code_has_a_length(merchant, order_code):
    assert merchant.inquire(order_code).error[0] == "5"


@pytest.mark.parametrize(
    ("amount", "currency", "exponent"),
    [(0, "GBP", 2), (-1, "GBP", 2), ("1.50", "GBP", 2), (100, "gbp", 2), (100, "JPY", 2), (100, "GBP", 3)],
)
def test_a_wrong_amount_is_an_amount_error(merchant, amount, currency, exponent):
    reply = merchant.submit("order-1", amount=amount, currency=currency, exponent=exponent)
    assert reply.error[0] == "3"
    assert not merchant.books("order-1")


@pytest.mark.parametrize(("currency", "exponent"), [("JPY", 0), ("KWD", 3), ("HUF", 0), ("HUF", 2)])
def test_currencies_without_hundredths(merchant, currency, exponent):
    reply = merchant.submit("order-1", amount=1234, currency=currency, exponent=exponent)
    assert reply.text("lastEvent") == "AUTHORISED"
    assert reply.attribute("amount", "exponent") == str(exponent)


def test_a_second_order_with_the_same_code_is_refused(merchant):
    merchant.submit("order-1")
    assert merchant.submit("order-1", amount=2000).error == ("5", "Duplicate Order")
    assert merchant.books("order-1")["authorised"] == 1050


def test_an_unknown_order_cannot_be_found(merchant):
    assert merchant.inquire("nowhere").error == ("5", "Could not find payment for order")


def test_every_first_reply_sets_two_cookies_whose_names_follow_from_the_seed(sandbox_of):
    def names(seed: str) -> set[str]:
        with sandbox_of(seed=seed) as url:
            reply = Merchant(url).submit(f"order-{seed}")
            return {cookie.name for cookie in reply.response.cookies}

    assert all(len(names(seed)) == 2 for seed in "123")
    assert len({frozenset(names(f"{seed}0")) for seed in range(5)}) > 1


def test_the_same_key_and_message_get_the_same_reply(merchant):
    merchant.submit("order-1")
    first = merchant.capture("order-1", 600, headers={"Idempotency-Key": "k1"})
    second = merchant.capture("order-1", 600, headers={"Idempotency-Key": "k1"})
    assert first.response.content == second.response.content
    assert merchant.books("order-1")["capture_requested"] == 600


def test_the_same_key_with_another_message_is_an_idempotency_error(merchant):
    merchant.submit("order-1")
    merchant.capture("order-1", 600, headers={"Idempotency-Key": "k1"})
    assert merchant.capture("order-1", 400, headers={"Idempotency-Key": "k1"}).error[0] == "9"
    assert merchant.books("order-1")["capture_requested"] == 600


def test_a_repeated_first_message_brings_its_cookie_again(merchant):
    card = f"<CSE-DATA><encryptedData>{merchant.seal('Ann', '4444333322221111')}</encryptedData></CSE-DATA>"
    first, second = (
        merchant.submit("order-1", instrument=card, headers={"Idempotency-Key": "k1"}) for _ in range(2)
    )
    assert machine_cookie(first) == machine_cookie(second)
    assert first.response.content == second.response.content


def test_the_same_seed_gives_the_same_identifiers(sandbox_of, tmp_path):
    identifiers = set()
    for number in range(2):
        with sandbox_of(seed="42", books=tmp_path / f"{number}" / "books.sqlite3") as url:
            reply = Merchant(url).submit("order-1", "3DS_V2_CHALLENGE_IDENTIFIED")
            identifiers.add(reply.text("transactionId3DS"))
    assert len(identifiers) == 1


def test_a_list_is_cut_at_a_limit_and_says_so(sandbox_of):
    with sandbox_of(list_limit=2) as url:
        merchant, now = Merchant(url), datetime.now(UTC)
        period = (now - timedelta(minutes=5), now + timedelta(minutes=5))
        for number in range(3):
            assert merchant.list(*period).attribute("reply", "complete") == "true"
            merchant.submit(f"order-{number}")
        cut = merchant.list(*period)
        assert cut.attribute("reply", "complete") == "false"
        assert len(cut.root.findall(".//orderStatus")) == 2
