"""The reasons of Worldpay's refusals, in our words."""

import pytest

from checkout.payments.providers.base import RefusalReason, Verb
from checkout.payments.providers.worldpay_wpg.parse import parse_reply
from tests.payments.providers.worldpay_messages import paid


def test_an_issuers_code_counts_where_there_is_no_iso_code():
    issuer = '<IssuerResponseCode code="51" description="NO FUNDS"/>'
    refusal = parse_reply(paid("REFUSED", issuer)).refusal
    assert refusal is not None
    assert (refusal.reason, refusal.code) == (RefusalReason.INSUFFICIENT_FUNDS, "51")
    assert refusal.description == "NO FUNDS"


@pytest.mark.parametrize(
    ("method", "code", "reason"),
    [
        ("VISA-SSL", "1A", RefusalReason.AUTHENTICATION_REQUIRED),
        ("VISA-SSL", "65", RefusalReason.REFUSED_BY_ISSUER),
        ("ECMC-SSL", "65", RefusalReason.AUTHENTICATION_REQUIRED),
        ("ECMC_DEBIT-SSL", "65", RefusalReason.AUTHENTICATION_REQUIRED),
        ("MAESTRO-SSL", "65", RefusalReason.AUTHENTICATION_REQUIRED),
        ("NEW-SSL", "65", RefusalReason.REFUSED_BY_ISSUER),
        ("AMEX-SSL", "130", RefusalReason.AUTHENTICATION_REQUIRED),
        ("VISA-SSL", "N7", RefusalReason.SECURITY_CODE_INVALID),
        ("AMEX-SSL", "122", RefusalReason.SECURITY_CODE_INVALID),
        ("VISA-SSL", "61", RefusalReason.INSUFFICIENT_FUNDS),
        ("AMEX-SSL", "121", RefusalReason.INSUFFICIENT_FUNDS),
        ("VISA-SSL", "R0", RefusalReason.NOT_PERMITTED),
        ("VISA-SSL", "R1", RefusalReason.NOT_PERMITTED),
        ("VISA-SSL", "r3", RefusalReason.NOT_PERMITTED),
        ("VISA-SSL", "07", RefusalReason.SUSPECTED_FRAUD),
        ("VISA-SSL", "05", RefusalReason.REFUSED_BY_ISSUER),
        ("AMEX-SSL", "51", RefusalReason.REFUSED_BY_ISSUER),
        ("VISA-SSL", "835", RefusalReason.REFUSED_BY_ISSUER),
    ],
)
def test_an_issuers_code_has_the_meaning_that_the_cards_scheme_gives_it(method, code, reason):
    issuer = f'<IssuerResponseCode code="{code}" description="SOME WORDS"/>'
    refusal = parse_reply(paid("REFUSED", issuer, method=method)).refusal
    assert refusal is not None
    assert (refusal.reason, refusal.code) == (reason, code)


def test_an_iso_code_counts_before_an_issuers():
    codes = (
        '<ISO8583ReturnCode code="54" description="EXPIRED"/><IssuerResponseCode code="51" description="F"/>'
    )
    refusal = parse_reply(paid("REFUSED", codes)).refusal
    assert refusal is not None
    assert (refusal.reason, refusal.description) == (RefusalReason.CARD_EXPIRED, "EXPIRED")


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("5", RefusalReason.REFUSED_BY_ISSUER),
        ("51", RefusalReason.INSUFFICIENT_FUNDS),
        ("054", RefusalReason.CARD_EXPIRED),
        ("34", RefusalReason.SUSPECTED_FRAUD),
        ("43", RefusalReason.LOST_OR_STOLEN),
        ("65", RefusalReason.AUTHENTICATION_REQUIRED),
        ("835", RefusalReason.SECURITY_CODE_INVALID),
        ("55", RefusalReason.SECURITY_CODE_INVALID),
        ("75", RefusalReason.SECURITY_CODE_INVALID),
        ("56", RefusalReason.CARD_INVALID),
        ("61", RefusalReason.INSUFFICIENT_FUNDS),
        ("17", RefusalReason.CANCELLED),
        ("92", RefusalReason.NOT_PERMITTED),
        ("91", RefusalReason.ISSUER_UNAVAILABLE),
        ("999", RefusalReason.REFUSED_BY_ISSUER),
    ],
)
def test_return_codes_become_our_reasons(code, reason):
    result = parse_reply(paid("REFUSED", f'<ISO8583ReturnCode code="{code}" description="SOME WORDS"/>'))
    assert result.refusal is not None
    assert (result.refusal.reason, result.refusal.code) == (reason, code)
    assert result.refusal.description == "SOME WORDS"


@pytest.mark.parametrize(
    ("said", "indicator", "result"),
    [
        ("Cardholder authenticated", "", "authenticated"),
        ("Attempted authentication", "", "attempted"),
        ("Authentication Offered but Not Used", "05", "attempted"),
        ("Authentication unavailable", "", "not_available"),
        ("Rejected by issuer", "05", "failed"),
        ("", "02", "authenticated"),
        ("Y", "06", "attempted"),
        ("something else", "07", None),
    ],
)
def test_results_of_authentications_become_our_words(said, indicator, result):
    told = f'<ThreeDSecureResult description="{said}"><eci>{indicator}</eci></ThreeDSecureResult>'
    three_ds = parse_reply(paid("AUTHORISED", told)).three_ds
    assert three_ds is not None
    assert three_ds.status == result


@pytest.mark.parametrize("said", ["Failed", "REJECTED", "Cardholder not authenticated"])
def test_a_failed_authentication_is_told_from_a_refusal_by_the_issuer(said):
    result = parse_reply(paid("REFUSED", f'<ThreeDSecureResult description="{said}"/>'))
    assert result.refusal is not None
    assert result.refusal.reason == RefusalReason.AUTHENTICATION_FAILED


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ("ERROR", RefusalReason.PROVIDER_ERROR),
        ("FAILURE", RefusalReason.PROVIDER_ERROR),
        ("EXPIRED", RefusalReason.CANCELLED),
    ],
)
@pytest.mark.parametrize("verb", [Verb.AUTHORISE, Verb.INQUIRE])
def test_an_order_that_the_issuer_did_not_refuse_is_not_called_refused_by_it(event, reason, verb):
    result = parse_reply(paid(event), verb)
    assert result.refusal is not None
    assert result.refusal.reason == reason


@pytest.mark.parametrize(
    ("event", "indicator", "reason"),
    [
        ("REFUSED", "01", RefusalReason.CANCELLED),
        ("REFUSED", "04", RefusalReason.AUTHENTICATION_FAILED),
        ("CANCELLED", "01", RefusalReason.SUSPECTED_FRAUD),  # by Worldpay's risk service
    ],
)
def test_a_shopper_who_cancelled_is_told_from_one_whose_time_ran_out(event, indicator, reason):
    three_ds = f"<challengeCancelIndicator>{indicator}</challengeCancelIndicator>"
    authentication = f'<ThreeDSecureResult description="Failed">{three_ds}</ThreeDSecureResult>'
    result = parse_reply(paid(event, authentication))
    assert result.refusal is not None
    assert result.refusal.reason == reason


def test_a_precise_return_code_outweighs_the_authentication():
    result = parse_reply(
        paid(
            "REFUSED",
            '<ISO8583ReturnCode code="51" description="FUNDS"/><ThreeDSecureResult description="Failed"/>',
        )
    )
    assert result.refusal is not None
    assert result.refusal.reason == RefusalReason.INSUFFICIENT_FUNDS
