"""Cards: which are accepted, and which parts of them are shown."""

import pytest

from tests.sandbox.merchant import Merchant


def _plain(number: str, month: str = "01", year: str = "2039") -> str:
    return (
        f"<CARD-SSL><cardNumber>{number}</cardNumber>"
        f'<expiryDate><date month="{month}" year="{year}"/></expiryDate>'
        "<cardHolderName>Ann</cardHolderName></CARD-SSL>"
    )


def _sealed(text: str) -> str:
    return f"<CSE-DATA><encryptedData>{text}</encryptedData></CSE-DATA>"


@pytest.mark.parametrize(
    ("number", "method"),
    [
        ("4444333322221111", "VISA-SSL"),
        ("5555555555554444", "ECMC-SSL"),
        ("2221000000000009", "ECMC-SSL"),
        ("343434343434343", "AMEX-SSL"),
        ("6759649826438453", "MAESTRO-SSL"),
        ("3528000700000000", "JCB-SSL"),
        ("36700102000000", "DINERS-SSL"),
        ("6011000000002117", "DISCOVER-SSL"),
    ],
)
def test_the_brand_is_told_by_the_number(merchant, number, method):
    reply = merchant.submit("order-1", number=number)
    assert reply.text("paymentMethod") == method
    assert reply.text("cardNumber") == f"{number[:4]}{'*' * (len(number) - 8)}{number[-4:]}"


def test_a_number_of_no_known_scheme_is_called_a_message_that_failed_validation(merchant):
    assert merchant.submit("order-1", number="6060700000000009").error == (
        "5",
        "XML failed validation: Invalid payment details : Card number not recognised: 606070******0009",
    )
    assert not merchant.books("order-1")


@pytest.mark.parametrize(
    "instrument",
    [
        _plain("4444333322221112"),
        _plain("44443333"),
        _plain("4444 3333 2222 1111"),
        _plain("4444333322221111", year="2020"),
        _plain("4444333322221111", month="13"),
        _plain("4444333322221111", year="soon"),
        "<JCB-SSL/>",
    ],
)
def test_a_card_that_cannot_be_is_a_payment_details_error(merchant, instrument):
    code, message = merchant.submit("order-1", instrument=instrument).error
    assert code == "7"
    assert "44443333" not in (message or "")
    assert not merchant.books("order-1")


UNOPENED = ("5", "An internal CSE service error has occurred.")


@pytest.mark.parametrize(
    "instrument",
    [
        _sealed(""),
        _sealed("a.b.c.d.e"),
        _sealed("not a token"),
        _sealed("eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..AAAAAAAAAAAAAAAA.AA.AAAAAAAAAAAAAAAAAAAAAA"),
    ],
)
def test_a_card_that_cannot_be_opened_is_an_error_of_the_encryption(merchant, instrument):
    assert merchant.submit("order-1", instrument=instrument).error == UNOPENED
    assert not merchant.books("order-1")


def test_a_plain_card_is_taken_as_well(merchant):
    reply = merchant.submit("order-1", instrument=_plain("4444333322221111"))
    assert reply.text("lastEvent") == "AUTHORISED"
    assert reply.attribute("CVCResultCode", "description") == "NOT SUPPLIED BY SHOPPER"


def test_a_card_sealed_for_another_sandbox_cannot_be_opened(merchant, sandbox_of, tmp_path):
    with sandbox_of(books=tmp_path / "other" / "books.sqlite3") as url:
        sealed = Merchant(url).seal("Ann", "4444333322221111")
    assert merchant.submit("order-1", instrument=_sealed(sealed)).error == UNOPENED
