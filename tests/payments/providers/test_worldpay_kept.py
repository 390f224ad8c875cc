"""Worldpay's messages as they are stored: secrets are masked, and the meaning stays the same."""

from dataclasses import replace

import pytest
from hypothesis import example, given, strategies as st

from checkout.payments.providers.base import Account, Notification
from checkout.payments.providers.statements import MOST_OF_HINT, MOST_STATEMENTS, from_json, to_json
from checkout.payments.providers.worldpay_wpg.provider import WorldpayWpg
from checkout.privacy.scrubbing import contains_card_number
from tests.payments.providers.worldpay_messages import (
    MERCHANT,
    credit,
    journal,
    named,
    notification,
    payment,
    service,
)
from tests.support.xml_text import escaped, xml_texts

PASSWORD = "pass-word-of-the-account"
CARD = "4444333322221111"
HOLDERS = [
    "A. Smith",
    'A. Smith pan="',
    "A. Smith token='",
    'password: "',
    "Authorization: x",
    "<cvc>",
    "]]>",
    CARD,
]


def worldpay(**credentials: str) -> WorldpayWpg:
    known = {"user": MERCHANT, "password": PASSWORD, "mac_key": "mac-key-of-the-account"}
    return WorldpayWpg(
        Account(
            code="teapots",
            provider="worldpay_wpg",
            merchant_code=MERCHANT,
            endpoint="https://secure.worldpay.com/",
            credentials=known | credentials,
        )
    )


def captured(holder: str = "A. Smith", extra: str = "") -> bytes:
    """Return the notification of a capture, in which the payment has the card holder's name."""
    name = f"<cardHolderName>{escaped(holder)}</cardHolderName>{extra}"
    accounts = credit("IN_PROCESS_CAPTURED", 1050)
    return notification(payment("CAPTURED", name) + journal("CAPTURED", accounts, named(capture="op_1")))


def said(provider: WorldpayWpg, body: bytes | str) -> list[Notification]:
    """Return the statements of a body without their event ids, which are digests of the whole body."""
    body = body if isinstance(body, bytes) else body.encode()
    return [replace(each, event_id="") for each in provider.parse_notification(body)]


def test_a_user_that_is_the_merchant_code_is_a_name_and_no_secret():
    kept = worldpay().scrub(captured())
    assert f'merchantCode="{MERCHANT}"' in kept
    assert said(worldpay(), kept) == said(worldpay(), captured())


@pytest.mark.parametrize(
    "credentials", [{"issuer": "i"}, {"password": "GBP"}, {"mac_key": MERCHANT}, {"password": ""}]
)
def test_no_credential_makes_another_message_of_one(credentials):
    provider = worldpay(**credentials)
    assert said(provider, provider.scrub(captured())) == said(provider, captured())


@given(holder=xml_texts())
@example(HOLDERS[1])
@example(HOLDERS[2])
def test_a_message_survives_every_name_that_a_card_holder_may_have(holder):
    provider = worldpay()
    kept = provider.scrub(captured(holder))
    assert said(provider, kept) == said(provider, captured(holder))
    assert from_json(to_json(provider, provider.parse_notification(captured(holder)))).first == (
        provider.parse_notification(captured(holder))
    )
    assert "<cardHolderName>[personal data]</cardHolderName>" in kept


@pytest.mark.parametrize("holder", HOLDERS)
def test_the_name_of_a_card_holder_is_not_kept_in_what_cannot_be_read_either(holder):
    body = captured(f"Zaphod {holder}")[:-20]
    assert "Zaphod" not in worldpay().scrub(body)


@given(
    text=xml_texts(
        st.sampled_from([CARD, PASSWORD, "4444 3333", "-2222-1111", ' cvc="123', "password=", " "])
    )
)
def test_nothing_that_is_kept_of_a_message_holds_a_card_number_or_a_secret(text):
    body = service(f'<notify><x {attribute_name(text)}="{escaped(text)}">{escaped(text)}</x></notify>')
    kept = worldpay().scrub(body)
    assert not contains_card_number(kept)
    assert PASSWORD not in kept
    assert not {'cvc="123', "cvc=&quot;123"} & set(kept.split())


def attribute_name(text: str) -> str:
    """Return a name that the sender has chosen, too."""
    return f"a{CARD}" if CARD in text else "a"


def test_elements_and_attributes_with_the_names_of_secrets_are_masked_whatever_they_hold():
    extra = '<cardNumber>4444********1111</cardNumber><cvc>12</cvc><x pan="1"/><token>t<b>n</b>m</token>'
    kept = worldpay().scrub(captured(extra=extra))
    assert "<cardNumber>4444********1111</cardNumber>" in kept, "Worldpay has masked it"
    assert '<cvc>[secret]</cvc><x pan="[secret]" /><token>[secret]</token>' in kept


def test_a_secret_is_masked_although_it_is_written_with_entities():
    provider = worldpay(password="pass<word>&more")
    kept = provider.scrub(captured(extra=f"<note>{escaped('pass<word>&more')}</note>"))
    assert "<note>[secret]</note>" in kept


def test_names_in_statements_are_kept_without_card_numbers_and_secrets_and_short():
    provider = worldpay()
    body = notification(payment("CAPTURED"), order_code=f"{CARD} {PASSWORD} {'x' * 10_000}")
    [statement] = from_json(to_json(provider, provider.parse_notification(body))).first
    assert statement.order_code.startswith("[card number] [secret] xxx")
    assert len(statement.order_code) == 200


def test_statements_that_may_be_applied_are_kept_of_many_and_the_number_of_all():
    provider = worldpay()
    made = provider.parse_notification(notification(payment() + 90 * journal("SETTLED")))
    kept = from_json(to_json(provider, made))
    assert (kept.first, kept.count) == (made[:MOST_STATEMENTS], 90)
    hint = from_json(to_json(provider, made, is_hint=True))
    assert (hint.first, hint.count) == (made[:MOST_OF_HINT], 90)
