"""The whole adapter against a scripted server."""

from dataclasses import replace
from uuid import UUID

import pytest
from django.utils import timezone

from checkout.errors import OutcomeUnknown, ProviderMisconfigured, ProviderReplyInvalid
from checkout.money import Money
from checkout.payments.providers.base import Account, Outcome, ProviderResult, Verb
from checkout.payments.providers.saved_cards import KeptToken
from checkout.payments.providers.worldpay_wpg.provider import WorldpayWpg
from tests.payments.providers.requests_to_make import authorisation, completion, modification
from tests.payments.providers.scripted_server import ScriptedServer, answer, reset
from tests.payments.providers.worldpay_messages import (
    acknowledged,
    amount,
    challenge,
    error,
    notification,
    paid,
    payment,
    service,
)

PASSWORD = "pass-word-of-the-account"


def provider(server, **options):
    return WorldpayWpg(
        Account(
            code="teapots",
            provider="worldpay_wpg",
            merchant_code="TEAPOTS",
            endpoint=server.url,
            credentials={"user": "teapots", "password": PASSWORD},
            options=options,
        )
    )


def test_every_cookie_of_the_first_answer_goes_back_with_the_second_message_whatever_its_name():
    cookies = ("Set-Cookie: node.1=1", "Set-Cookie: machine=0ab20014;path=/;HttpOnly")
    with ScriptedServer(answer(challenge(), 200, *cookies), answer(paid())) as server:
        worldpay = provider(server)
        first = worldpay.authorise(authorisation())
        second = worldpay.complete_challenge(completion(session_state=first.session_state))
    assert first.session_state == "node.1=1; machine=0ab20014"
    assert server.requests[0].header("Cookie") == []
    assert server.requests[1].header("Cookie") == ["node.1=1; machine=0ab20014"]
    assert second.outcome == Outcome.APPROVED
    assert second.session_state == "node.1=1; machine=0ab20014"


@pytest.mark.parametrize(
    ("before", "cookies", "after"),
    [
        ("machine=old", ["machine=new1;path=/", "machine=new2; Path=/"], "machine=new2"),
        ("machine=old; node=1", ["machine=new"], "node=1; machine=new"),
        ("machine=old; node=1", ["machine=; path=/"], "node=1"),
        ("machine=old; node=1", ["machine=x; Max-Age=0"], "node=1"),
        ("machine=old; node=1", ["machine=x; max-age = -1"], "node=1"),
        ("machine=old; node=1", ["machine=x; Expires=Thu, 01 Jan 1970 00:00:00 GMT; path=/"], "node=1"),
        ("machine=old; node=1", ["machine=x; expires=Thu, 01-Jan-1970 00:00:00 GMT"], "node=1"),
        ("machine=old", ["machine=x; expires=Fri, 31 Dec 2099 23:59:59 GMT"], "machine=x"),
        ("machine=old", ["machine=x; expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=60"], "machine=x"),
        ("machine=old", ["machine=x; expires=never"], "machine=x"),
        ("machine=old", [], "machine=old"),
        ("machine=old", ["no cookie", "=x", "$Version=1", "a b=c", 'q="a b"', "n\u00e4me=1"], "machine=old"),
        ("machine=old", ["machine=" + 2_500 * "x"], "machine=old"),
        ("", ["a=" + 1_900 * "x", "b=" + 1_900 * "y"], "b=" + 1_900 * "y"),
    ],
)
def test_the_newest_cookie_of_each_name_is_kept_without_its_attributes(before, cookies, after):
    lines = (f"Set-Cookie: {cookie}" for cookie in cookies)
    with ScriptedServer(answer(challenge(), 200, *lines)) as server:
        result = provider(server).complete_challenge(completion(session_state=before))
    assert result.session_state == after


@pytest.mark.parametrize("options", [{}, {"idempotency_keys": "off"}])
def test_no_key_is_sent_unless_the_account_asks_for_it(options):
    with ScriptedServer(answer(acknowledged("captureReceived", amount())), answer(paid())) as server:
        provider(server, **options).capture(modification("capture"))
        provider(server, **options).authorise(authorisation())
    assert [request.header("Idempotency-Key") for request in server.requests] == [[], []]


def test_a_key_may_be_sent_as_it_is():
    with ScriptedServer(answer(acknowledged("captureReceived", amount()))) as server:
        provider(server, idempotency_keys="on").capture(modification("capture"))
    assert server.requests[0].header("Idempotency-Key") == ["order-1-capture-1050"]


def test_every_message_that_may_move_money_has_its_key_if_the_service_covers_it():
    replies = (paid(), paid(), acknowledged("captureReceived"), acknowledged("refundReceived"))
    with ScriptedServer(*map(answer, replies)) as server:
        worldpay = provider(server, idempotency_keys="on")
        worldpay.authorise(authorisation())
        worldpay.complete_challenge(completion())
        worldpay.capture(modification("capture"))
        worldpay.refund(modification("refund"))
    assert [request.header("Idempotency-Key") for request in server.requests] == [
        ["order-1-authorise"],
        ["order-1-complete"],
        ["order-1-capture-1050"],
        ["order-1-refund-1050"],
    ]


def test_a_key_may_be_sent_as_a_uuid_that_is_the_same_each_time():
    captured = answer(acknowledged("captureReceived", amount()))
    with ScriptedServer(captured, captured, answer(paid())) as server:
        for _ in range(2):
            provider(server, idempotency_keys="uuid").capture(modification("capture"))
        provider(server, idempotency_keys="uuid").authorise(authorisation())
    first, second, other = (request.header("Idempotency-Key")[0] for request in server.requests)
    assert first == second != other
    assert UUID(first).version == 5


@pytest.mark.parametrize("form", ["on", "uuid"])
def test_a_cancel_has_no_key_since_the_service_does_not_cover_it(form):
    with ScriptedServer(answer(acknowledged("cancelReceived"))) as server:
        result = provider(server, idempotency_keys=form).void(modification("void", session_state="machine=a"))
    assert result.outcome == Outcome.PENDING
    assert server.requests[0].header("Idempotency-Key") == []
    assert server.requests[0].header("Cookie") == ["machine=a"]


def test_the_cookies_of_an_inquiry_do_not_take_the_place_of_the_order_s():
    with ScriptedServer(answer(paid(), 200, "Set-Cookie: machine=b")) as server:
        result = provider(server).inquire("order-1")
    assert server.requests[0].header("Cookie") == []
    assert result.session_state == ""


@pytest.mark.parametrize(
    ("verb", "said"),
    [
        ("capture", "cancelReceived"),
        ("capture", "refundReceived"),
        ("refund", "captureReceived"),
    ],
)
def test_the_acknowledgement_of_another_request_says_nothing_of_ours(verb, said):
    with ScriptedServer(answer(acknowledged(said))) as server:
        result = getattr(provider(server), verb)(modification(verb))
    assert (result.outcome, result.event) == (Outcome.UNKNOWN, "CONTRADICTORY")


@pytest.mark.parametrize("verb", ["capture", "refund"])
def test_a_capture_or_refund_goes_to_the_machine_that_answered_before(verb):
    with ScriptedServer(answer(acknowledged(f"{verb}Received"), 200, "Set-Cookie: machine=b")) as server:
        change = modification(verb, session_state="machine=a")
        result = getattr(provider(server), verb)(change)
    assert server.requests[0].header("Cookie") == ["machine=a"]
    assert result.session_state == "machine=b"


def assert_not_able(result: ProviderResult, said: str, advice: str) -> None:
    assert result.outcome == Outcome.NOT_ABLE
    assert result.refusal is not None
    assert said in result.refusal.description
    assert advice in result.refusal.description


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        (
            "Service not enabled: Idempotent requests are not enabled for this customer",
            "idempotency_keys to off",
        ),
        ("The Idempotency-Key header value is invalid", "idempotency_keys to uuid"),
    ],
)
def test_a_key_that_worldpay_does_not_take_is_the_operators_business(said, advice):
    with ScriptedServer(answer(error(9, said))) as server:
        results = (
            provider(server, idempotency_keys="on").authorise(authorisation()),
            provider(server, idempotency_keys="on").refund(modification("refund")),
        )
    for result in results:
        assert_not_able(result, said, advice)


@pytest.mark.parametrize(
    ("code", "said", "advice"),
    [
        (5, "CSE Key is disabled", "encryption_public_key"),
        (7, "CSE Key is disabled", "encryption_public_key"),
        (2, "Merchant code not enabled for tokenisation", "saved_cards to no"),
        (2, "Admin Code not enabled for tokenisation", "saved_cards to no"),
    ],
)
def test_a_service_that_worldpay_has_not_enabled_is_the_operators_business(code, said, advice):
    with ScriptedServer(answer(error(code, said))) as server:
        assert_not_able(provider(server).authorise(authorisation()), said, advice)


@pytest.mark.parametrize("said", ["CSE Key is disabled", "Merchant code not enabled for tokenisation"])
def test_a_service_that_is_not_enabled_decides_nothing_under_a_code_that_may_mean_anything(said):
    with ScriptedServer(answer(error(1, said))) as server:
        assert provider(server).authorise(authorisation()).outcome == Outcome.UNKNOWN


def test_any_other_error_of_the_idempotency_service_is_unknown():
    with ScriptedServer(answer(error(9, "The idempotency service is unavailable"))) as server:
        result = provider(server, idempotency_keys="on").authorise(authorisation())
    assert result.outcome == Outcome.UNKNOWN


def test_replies_and_notifications_are_read_with_the_exponents_of_the_account():
    huf = amount(1000, "HUF", 0)
    with ScriptedServer(answer(paid(money=huf))) as server:
        worldpay = provider(server, exponents="HUF=0")
        assert worldpay.inquire("order-1").amount == Money(100000, "HUF")
        [entry] = worldpay.parse_notification(notification(payment(money=huf)))
    assert entry.amount == Money(100000, "HUF")


def test_a_list_of_orders_is_read_with_the_exponents_of_the_account():
    listed = paid(money=amount(1000, "HUF", 0))
    with ScriptedServer(answer(listed)) as server:
        [order] = provider(server, exponents="HUF=0").orders(timezone.now(), timezone.now())
    assert (order.outcome, order.amount) == (Outcome.APPROVED, Money(100000, "HUF"))


def test_a_token_that_the_merchant_code_may_not_delete_is_the_operators_business():
    kept = KeptToken(token="9912345678901234567", shopper="cus_1")
    with ScriptedServer(answer(error(4, "Security violation"))) as server:
        assert_not_able(provider(server).delete_token(kept), "Security violation", "merchant code")


def test_an_amount_in_an_unknown_currency_is_not_sent():
    with ScriptedServer() as server, pytest.raises(ProviderMisconfigured):
        provider(server).authorise(authorisation(amount=Money(1050, "ZZZ")))
    assert server.requests == []


def test_credentials_travel_in_the_headers():
    with ScriptedServer(answer(acknowledged("captureReceived", amount()))) as server:
        provider(server).capture(modification("capture"))
    [request] = server.requests
    assert request.header("Content-Type") == ["text/xml"]
    assert request.header("Authorization")[0].startswith("Basic ")


def test_an_inquiry_has_no_key():
    with ScriptedServer(answer(paid())) as server:
        provider(server).inquire("order-1")
    assert server.requests[0].header("Idempotency-Key") == []


def test_the_transcript_shows_both_messages_without_card_and_secrets():
    reply = paid(extra="<cardNumber>4444333322221111</cardNumber>")
    sealed = "eyJhbGciOiJSU0EifQ.c2VhbGVk.aXY.dGV4dA.dGFn"
    with ScriptedServer(answer(reply)) as server:
        request = authorisation(sealed_card=sealed, description=f"oops {PASSWORD}")
        result = provider(server).authorise(request)
    assert sealed in server.requests[0].body.decode()
    assert "<description>oops [secret]</description>" in result.transcript
    assert "<lastEvent>AUTHORISED</lastEvent>" in result.transcript
    for secret in (sealed, "c2VhbGVk", "4444333322221111", PASSWORD):
        assert secret not in result.transcript


@pytest.mark.parametrize(
    "body", [paid(), error(2, of_order=True), error(4, of_order=True), error(9, "Not enabled", of_order=True)]
)
def test_an_answer_about_another_order_is_not_believed(body):
    """An error that says that nothing was done would otherwise have the request sent a second time."""
    with ScriptedServer(answer(body)) as server, pytest.raises(ProviderReplyInvalid):
        provider(server).authorise(authorisation("order-2"))


VERBS = {
    Verb.AUTHORISE: lambda worldpay: worldpay.authorise(authorisation()),
    Verb.COMPLETE_CHALLENGE: lambda worldpay: worldpay.complete_challenge(completion()),
    Verb.CAPTURE: lambda worldpay: worldpay.capture(modification("capture")),
    Verb.VOID: lambda worldpay: worldpay.void(modification("void")),
    Verb.REFUND: lambda worldpay: worldpay.refund(modification("refund")),
    Verb.INQUIRE: lambda worldpay: worldpay.inquire("order-1"),
    Verb.LIST: lambda worldpay: worldpay.orders(timezone.now(), timezone.now()),
    Verb.DELETE_TOKEN: lambda worldpay: worldpay.delete_token(KeptToken(token="99", shopper="cus_1")),
}
DELETED = service('<reply><ok><deleteTokenReceived paymentTokenID="99"/></ok></reply>')


@pytest.mark.parametrize("merchant", [' merchantCode="SOMEBODY_ELSE"', ' merchantCode=""', ""])
@pytest.mark.parametrize("verb", Verb)
def test_an_answer_for_another_merchant_leaves_the_outcome_open(verb, merchant):
    body = DELETED if verb == Verb.DELETE_TOKEN else paid("CANCELLED")
    strange = body.replace(b' merchantCode="TEAPOTS"', merchant.encode())
    with ScriptedServer(answer(body), answer(strange)) as server:
        VERBS[verb](provider(server))
        with pytest.raises(ProviderReplyInvalid):
            VERBS[verb](provider(server))


def test_a_refusal_for_another_merchant_refuses_nothing():
    strange = error(4, "Security violation").replace(b"TEAPOTS", b"SOMEBODY_ELSE")
    with ScriptedServer(answer(strange)) as server, pytest.raises(ProviderReplyInvalid):
        provider(server).authorise(authorisation())


def test_a_security_violation_is_the_operators_business():
    with ScriptedServer(answer(error(4, "Security violation"))) as server:
        for result in (provider(server).authorise(authorisation()), provider(server).inquire("order-1")):
            assert_not_able(result, "Security violation", "merchant code")


@pytest.mark.parametrize(
    ("merchant_code", "installation_id"), [("TEA POTS", ""), ("TEAPOTS&CO", ""), ("TEAPOTS", "47 11")]
)
def test_a_name_that_the_grammar_does_not_allow_is_not_sent(merchant_code, installation_id):
    with ScriptedServer(answer(paid("AUTHORISED"))) as server:
        account = provider(server, installation_id=installation_id).account
        misconfigured = WorldpayWpg(replace(account, merchant_code=merchant_code))
        with pytest.raises(ProviderMisconfigured):
            misconfigured.authorise(authorisation())
        assert server.requests == []


def test_a_held_card_is_a_refusal_although_its_code_is_that_of_a_violation():
    reply = paid("REFUSED", '<ISO8583ReturnCode code="4" description="HOLD CARD"/>')
    with ScriptedServer(answer(reply)) as server:
        assert provider(server).authorise(authorisation()).outcome == Outcome.REFUSED


@pytest.mark.parametrize("status", [302, 404, 201])
def test_any_other_status_is_not_understood(status):
    with ScriptedServer(answer(paid(), status)) as server, pytest.raises(ProviderReplyInvalid):
        provider(server).authorise(authorisation())


def test_a_duplicate_order_is_unknown_since_an_earlier_copy_arrived():
    with ScriptedServer(answer(error(5, "Duplicate Order"))) as server:
        assert provider(server).authorise(authorisation()).outcome == Outcome.UNKNOWN


def test_a_capture_that_worldpay_declines_is_refused():
    with ScriptedServer(answer(error(3, "Invalid amount: The amount is too high."))) as server:
        assert provider(server).capture(modification("capture")).outcome == Outcome.REFUSED


def test_a_connection_lost_after_sending_is_unknown():
    with ScriptedServer(reset) as server, pytest.raises(OutcomeUnknown):
        provider(server).authorise(authorisation())


@pytest.mark.parametrize(
    "option",
    [
        {"exponents": "HUF"},
        {"challenge_preference": "pleaseNot"},
        {"idempotency_keys": "yes"},
        {"idempotency_keys": ""},
        {"idempotency_keys": True},
    ],
)
def test_a_wrong_option_is_found_before_anything_is_sent(option):
    with ScriptedServer() as server, pytest.raises(ProviderMisconfigured):
        provider(server, **option).authorise(authorisation())
    assert server.requests == []
