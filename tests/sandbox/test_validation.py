"""Messages that do not follow the provider's grammar are refused, as the provider refuses them."""

import re
from html import unescape

import pytest

from sandbox.wpg.validation import GRAMMAR
from tests.sandbox.merchant import money

TEXT = "<description>A teapot</description>"
CARD = (
    "<VISA-SSL><cardNumber>4444333322221111</cardNumber>"
    '<expiryDate><date month="01" year="2039"/></expiryDate>'
    "<cardHolderName>Ann</cardHolderName></VISA-SSL>"
)
DETAILS = f"<paymentDetails>{CARD}</paymentDetails>"
COMPLETION = "<info3DSecure><completedAuthentication/></info3DSecure>"
DATE = '<date dayOfMonth="1" month="1" year="2026"/>'


def _order(content: str, attributes: str = 'orderCode="order-1"') -> str:
    return f"<submit><order {attributes}>{content}</order></submit>"


def _modification(content: str) -> str:
    return f'<modify><orderModification orderCode="order-1">{content}</orderModification></modify>'


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (_order(money(1) + TEXT + DETAILS), 'type "order" must match'),
        (_order(money(1) + DETAILS), 'type "order" must match'),
        (_order(TEXT + money(1) + DETAILS + "<additional3DSData/><riskData/>"), 'type "order" must match'),
        (_order(TEXT + money(1) + DETAILS + "<surprise/>"), 'type "order" must match'),
        (_order(TEXT + money(1) + DETAILS + DETAILS), 'type "order" must match'),
        (_order(TEXT + money(1) + DETAILS) * 2, 'type "paymentService" must match'),
        (_order(TEXT + money(1) + DETAILS, 'orderCode="order-1" colour="red"'), 'Attribute "colour"'),
        (
            _order(TEXT + money(1) + DETAILS + '<additional3DSData challengePreference="please"/>'),
            'Attribute "challengePreference"',
        ),
        (_order(TEXT + money(1).replace("exponent", "decimals") + DETAILS), 'Attribute "decimals"'),
        (_order(TEXT + '<amount value="1" currencyCode="GBP"/>' + DETAILS), '"exponent" is required'),
        (_order(TEXT + '<amount value="" currencyCode="GBP" exponent="2"/>' + DETAILS), 'Attribute "value"'),
        (
            _order(TEXT + '<amount value="1" currencyCode="GBP" exponent="1"/>' + DETAILS),
            'Attribute "exponent"',
        ),
        (_order(TEXT + money(1) + f"<paymentDetails><session/>{CARD}</paymentDetails>"), '"paymentDetails"'),
        (
            _order(TEXT + money(1) + f"<paymentDetails>{CARD}<storedCredentials/></paymentDetails>"),
            '"usage" is required',
        ),
        (_order(TEXT + money(1) + DETAILS.replace("<cardHolderName>Ann</cardHolderName>", "")), '"VISA-SSL"'),
        (
            _order(TEXT + money(1) + DETAILS.replace("</VISA-SSL>", "<birthDate/></VISA-SSL>")),
            'type "VISA-SSL" must match',
        ),
        (_order(COMPLETION), 'type "order" must match'),
        (_order(COMPLETION + '<session id="has blanks"/>'), 'Attribute "id"'),
        (_modification(""), 'type "orderModification" must match'),
        (_modification("<cancel/><cancel/>"), 'type "orderModification" must match'),
        (_modification("<capture/>"), 'type "capture" must match'),
        (_modification(f"<refund>{money(1)}text</refund>"), 'type "refund" has text'),
        (
            f"<inquiry><orderInquiry><dateSearch><fromDate>{DATE}</fromDate></dateSearch></orderInquiry></inquiry>",
            'type "dateSearch" must match',
        ),
        ("<surprise/>", 'type "paymentService" must match'),
    ],
)
def test_what_the_grammar_does_not_have_is_refused_and_does_nothing(merchant, message, reason):
    code, text = merchant.post(message).error
    assert (code, reason in unescape(text or "")) == ("2", True), text
    assert merchant.statement()["orders"] == []


@pytest.mark.parametrize(
    "content",
    [
        f"{TEXT}{money(1)}<orderContent/>{DETAILS}",
        f"{TEXT}{money(1)}{DETAILS}<shopper/><billingAddress><address/></billingAddress>",
        f"{TEXT}{money(1)}{DETAILS}<hcgAdditionalData><param name='a'>b</param></hcgAdditionalData>",
        f"{TEXT}\n  {money(1)}\n  <!-- a note -->{DETAILS}\n",
    ],
)
def test_what_only_the_provider_uses_is_no_fault(merchant, content):
    assert merchant.post(_order(content)).text("lastEvent") == "AUTHORISED"


def test_the_version_of_the_protocol_must_be_one_of_the_grammars(merchant):
    inquiry = '<inquiry><orderInquiry orderCode="order-1"/></inquiry>'
    answer = merchant.post_raw(f'<paymentService version="1.5">{inquiry}</paymentService>'.encode())
    assert b'Attribute "version" of element type "paymentService"' in answer.content


@pytest.mark.dtd
@pytest.mark.parametrize("name", GRAMMAR)
def test_the_sandboxs_grammar_is_the_providers(dtd, name):
    """The same children in the same order, and the same attributes with the same values."""
    text = re.sub("<!--.*?-->", "", dtd.read_text(encoding="utf-8"), flags=re.DOTALL)
    children, attributes = GRAMMAR[name]
    declared = re.search(rf"<!ELEMENT\s+{name}\s+(.*?)>", text, re.DOTALL)
    assert declared
    ours, theirs = re.sub(r"\s", "", children), re.sub(r"\s|EMPTY", "", declared[1])
    if name == "paymentDetails":  # the grammar before this has dozens of instruments
        ours, theirs = (model[model.index("sdwoData") :] for model in (ours, theirs))
        theirs = theirs.removesuffix(")")
    assert theirs in (ours, f"({ours})")
    listed = " ".join(re.findall(rf"<!ATTLIST\s+{name}\s+(.*?)>", text, re.DOTALL))
    assert {
        (attribute, must == "!", _words(values or token))
        for attribute, must, token, values in re.findall(r"(\w+)(!?)(:token)?(?:=(\S+))?", attributes)
    } == {
        (attribute, default == "#REQUIRED", _words(type))
        for attribute, type, default in re.findall(
            r"(\w+)\s+(CDATA|NMTOKEN|\([^)]*\))\s+(#\w+|'\w+')", listed
        )
    }


def _words(type: str) -> frozenset[str]:
    """Return the values of an attribute. A text may have any value."""
    words = {"": "CDATA", ":token": "NMTOKEN"}.get(type, type)
    return frozenset(re.findall(r"[\w.]+", words))
