"""The adapter as a whole, against a server that answers as a test says."""

import pytest

from checkout.errors import OutcomeUnknown, ProviderMisconfigured, ProviderReplyInvalid
from checkout.providers.base import Account, Outcome
from checkout.providers.worldpay_wpg.provider import WorldpayWpg
from tests.providers.requests_to_make import authorisation, completion, modification
from tests.providers.scripted_server import ScriptedServer, answer, reset
from tests.providers.worldpay_messages import acknowledged, amount, challenge, error, paid

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


def test_the_machine_that_answered_first_is_named_in_the_second_message():
    cookies = ("Set-Cookie: other=1", "Set-Cookie: machine=0ab20014;path=/;HttpOnly")
    with ScriptedServer(answer(challenge(), 200, *cookies), answer(paid())) as server:
        worldpay = provider(server)
        first = worldpay.authorise(authorisation())
        second = worldpay.complete_challenge(completion(session_state=first.session_state))
    assert first.session_state == "machine=0ab20014"
    assert server.requests[0].header("Cookie") == []
    assert server.requests[1].header("Cookie") == ["machine=0ab20014"]
    assert second.outcome == Outcome.APPROVED
    assert second.session_state == "machine=0ab20014"


def test_a_newer_machine_replaces_the_one_before():
    cookies = ("Set-Cookie: machine=new1;path=/", "Set-Cookie: machine=new2;path=/")
    with ScriptedServer(answer(challenge(), 200, *cookies)) as server:
        result = provider(server).complete_challenge(completion(session_state="machine=old"))
    assert result.session_state == "machine=new2"


def test_keys_and_credentials_travel_in_the_headers():
    with ScriptedServer(answer(acknowledged("captureReceived", amount()))) as server:
        provider(server).capture(modification("capture"))
    [request] = server.requests
    assert request.header("Idempotency-Key") == ["order-1-capture-1050"]
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


def test_an_answer_about_another_order_is_not_believed():
    with ScriptedServer(answer(paid())) as server, pytest.raises(ProviderReplyInvalid):
        provider(server).authorise(authorisation("order-2"))


def test_a_security_violation_is_the_operators_business():
    with ScriptedServer(answer(error(4, "Security violation"))) as server:
        with pytest.raises(ProviderMisconfigured):
            provider(server).authorise(authorisation())
        with pytest.raises(ProviderMisconfigured):
            provider(server).inquire("order-1")


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
    with ScriptedServer(answer(error(5, "Invalid amount: The amount is too high."))) as server:
        assert provider(server).capture(modification("capture")).outcome == Outcome.REFUSED


def test_a_connection_lost_after_sending_is_unknown():
    with ScriptedServer(reset) as server, pytest.raises(OutcomeUnknown):
        provider(server).authorise(authorisation())


@pytest.mark.parametrize("option", [{"exponents": "HUF"}, {"challenge_preference": "pleaseNot"}])
def test_a_wrong_option_is_found_before_anything_is_sent(option):
    with ScriptedServer() as server, pytest.raises(ProviderMisconfigured):
        provider(server, **option).authorise(authorisation())
    assert server.requests == []
