"""A payment's card and token, if Worldpay leaves parts out or writes them in other ways."""

from dataclasses import replace

import pytest

from checkout.payments.providers.base import CardSummary, Verb
from checkout.payments.providers.worldpay_wpg.parse import parse_reply
from tests.payments.providers.test_worldpay_tokens import CARD, UNTIL, token, with_token
from tests.payments.providers.worldpay_messages import amount, balance, error, order_status, paid

PAN = "4444333322221111"
NAME = "9912345678901234567"


def bare(extra="", method="VISA-SSL"):
    """Return the content of a payment without the details of its card."""
    named = f"<paymentMethod>{method}</paymentMethod>" if method else ""
    return f"<payment>{named}{amount()}<lastEvent>AUTHORISED</lastEvent>{extra}</payment>"


def saved(content):
    result = parse_reply(order_status(content))
    assert result.token is not None, result.token_fault
    return result.token


def fault_of(content):
    result = parse_reply(order_status(content))
    assert result.token is None
    return result.token_fault


def test_the_last_digits_are_also_read_from_the_masked_number_of_the_payment():
    masked = "<cardNumber>4444********1111</cardNumber>"
    card = parse_reply(order_status(bare(masked))).card
    assert card == CardSummary(brand="visa", last4="1111")


def test_a_payment_that_says_nothing_of_its_card_has_none():
    assert parse_reply(order_status(bare(method=""))).card is None
    assert parse_reply(order_status(bare(method="SOMETHING-SSL"))).card is None


@pytest.mark.parametrize(
    ("month", "year", "expiry"), [(" 1 ", " 2031 ", "01/2031"), ("12", "2031", "12/2031"), ("1", "31", "")]
)
def test_the_expiry_has_two_digits_and_four_whatever_blanks_are_around_them(month, year, expiry):
    date = f'<expiryDate><date month="{month}" year="{year}"/></expiryDate>'
    detail = f"<paymentMethodDetail><card>{date}</card></paymentMethodDetail>"
    card = parse_reply(order_status(bare(detail))).card
    assert card is not None
    assert card.expiry == expiry


def test_words_and_sentences_of_worldpay_are_short_and_the_sentences_on_one_line():
    assert parse_reply(paid(300 * "A"), Verb.INQUIRE).event == 100 * "A"
    refusal = parse_reply(error(3, "Card\n   number\tmissing. " + 300 * "x")).refusal
    assert refusal is not None
    assert refusal.description.startswith("Card number missing. x")
    assert len(refusal.description) == 200


def test_a_balance_is_known_by_its_account_whatever_blanks_are_around_it():
    taken = balance(" IN_PROCESS_CAPTURED ", 1050)
    assert parse_reply(paid("CAPTURED", taken), Verb.INQUIRE).position is not None


@pytest.mark.parametrize("name", [64 * "9", f"\n  {NAME}\n", "A1B2C3D4E5F6G7H"])
def test_a_token_is_taken_in_each_form_that_worldpay_gives_it(name):
    result = parse_reply(with_token(token(name=name)))
    assert result.token is not None
    assert result.token.token == name.strip()


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        (" MCC1234560915 ", "MCC1234560915"),
        ("MCS0C04TR  0915", "MCS0C04TR  0915"),
        ("3Xf-2aM5NMa02vKdrPSC20", "3Xf-2aM5NMa02vKdrPSC20"),
        ("aRyU-3Ti981f_6WvBaqM03", "aRyU-3Ti981f_6WvBaqM03"),
        (56 * "1", 56 * "1"),
        (57 * "1", ""),
        ("MCC&amp;1", ""),
        ("", ""),
    ],
)
def test_the_schemes_name_of_the_payment_is_kept_if_it_can_be_one(told, kept):
    scheme = f"<schemeResponse><transactionIdentifier>{told}</transactionIdentifier></schemeResponse>"
    result = parse_reply(with_token(token(scheme=scheme)))
    assert result.token is not None
    assert result.token.scheme_transaction == kept


def test_the_last_digits_of_a_token_may_be_in_a_masked_number_of_its_own():
    own = CARD.replace("<derived>", "<cardNumber>4444********1111</cardNumber><derived>").replace(
        "<obfuscatedPAN>4444********1111</obfuscatedPAN>", ""
    )
    assert saved(bare() + token(card=own)).last4 == "1111"


def test_the_brand_of_a_token_is_the_payments_or_its_own():
    plain = replace(saved(bare() + token()), brand="")
    assert replace(saved(bare(method="CARD-SSL") + token()), brand="") == plain
    assert saved(bare(method="CARD-SSL") + token()).brand == "visa"
    assert saved(bare(method="ECMC-SSL") + token()).brand == "mastercard"


def test_a_token_without_last_digits_is_none_also_if_the_payment_has_none_either():
    assert "last digits" in fault_of(bare() + token(card=CARD.replace("1111", "****")))


@pytest.mark.parametrize(
    ("told", "is_saved"),
    [
        ('<date month="1" year="2031"/>', True),
        ('<date month="01" year="2031"/>', True),
        ('<date month="2" year="2031"/>', False),
        ('<date month="1" year="2032"/>', False),
        ("", False),
    ],
)
def test_a_token_that_conflicts_is_taken_only_if_the_payment_has_the_expiry_that_is_kept(told, is_saved):
    detail = (
        '<paymentMethodDetail><card number="4444********1111">'
        f"<expiryDate>{told}</expiryDate></card></paymentMethodDetail>"
    )
    content = bare(detail) + token(event="CONFLICT")
    if is_saved:
        assert (saved(content).token, saved(content).expiry) == (NAME, "01/2031")
    else:
        assert fault_of(content) == "token event CONFLICT"


def test_a_token_with_two_details_is_none():
    details = (
        f'<tokenDetails tokenEvent="NEW"><paymentTokenID>{NAME}</paymentTokenID>{UNTIL}'
        "<tokenReason>r</tokenReason></tokenDetails>"
    )
    card = f"<paymentInstrument><cardDetails>{CARD}</cardDetails></paymentInstrument>"
    assert saved(bare() + f"<token>{details}{card}</token>").token == NAME
    assert fault_of(bare() + f"<token>{details}{details}{card}</token>") == "token event NEW"


def test_the_reason_why_there_is_no_token_has_no_card_number():
    told = fault_of(bare() + f'<token><error code="14">No token for {PAN}</error></token>')
    assert told.startswith("error 14: No token for ")
    assert PAN not in told


def test_a_return_code_is_as_long_as_its_column_at_most():
    code = f'<ISO8583ReturnCode code="{60 * "9"}" description="REFUSED"/>'
    refusal = parse_reply(paid("REFUSED", code)).refusal
    assert refusal is not None
    assert refusal.code == 50 * "9"


def test_a_payment_that_was_not_checked_has_no_checks():
    assert parse_reply(paid()).checks is None
    one = parse_reply(paid(extra='<CVCResultCode description="APPROVED"/>')).checks
    assert one is not None
    assert (one.security_code, one.address) == ("APPROVED", "")


def test_the_authentication_has_its_version_and_the_directory_servers_name_of_it():
    told = "<threeDSVersion>2.2.0</threeDSVersion><dsTransactionId>ds-1</dsTransactionId>"
    three_ds = parse_reply(
        paid(extra=f'<ThreeDSecureResult description="Y">{told}</ThreeDSecureResult>')
    ).three_ds
    assert three_ds is not None
    assert (three_ds.version, three_ds.transaction_id) == ("2.2.0", "ds-1")
