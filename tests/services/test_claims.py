"""Whether a provider confirms what a notification said and nothing of ours explains."""

import pytest

from checkout import commands
from checkout.models import Attempt, Fact, Operation
from checkout.money import Money
from checkout.providers.memory_books import OrderState
from checkout.services.payments import service
from tests.services.asking import authorise, operation_on
from tests.services.delivering import command, deliver

pytestmark = pytest.mark.django_db


@pytest.fixture
def authorised(attempt: Attempt) -> Attempt:
    authorise(attempt, "approve")
    return attempt


def checked(attempt: Attempt, claim: str) -> str:
    body = commands.CheckClaim(payment=attempt.payment.reference, attempt=attempt.order_code, claim=claim)
    return str(deliver(service, command("payments.check_claim", body)).result["outcome"])


def test_a_capture_that_was_made_behind_our_back_is_confirmed(authorised, books):
    books.orders[authorised.order_code].captured = Money(1250, "GBP")
    assert checked(authorised, "captured") == "confirmed"
    assert Fact.objects.get(kind="claim_confirmed").data["claim"] == "captured"


def test_a_lie_is_denied(authorised):
    for claim in ("captured", "cancelled", "refunded", "expired", "charged_back"):
        assert checked(authorised, claim) == "denied"


def test_what_an_operation_explains_by_now_is_no_contradiction(authorised, books):
    books.orders[authorised.order_code].captured = Money(1250, "GBP")
    operation_on(authorised, Operation.Kind.CAPTURE)
    assert checked(authorised, "captured") == "denied"


def test_a_refused_operation_explains_nothing(authorised, books):
    books.orders[authorised.order_code].state = OrderState.CANCELLED
    void = operation_on(authorised, Operation.Kind.VOID)
    void.state = Operation.State.REFUSED
    void.save()
    assert checked(authorised, "cancelled") == "confirmed"


def test_a_provider_that_cannot_be_asked_leaves_it_open(authorised, settings):
    settings.CHECKOUT_PROVIDER_CREDENTIALS = {}
    assert checked(authorised, "captured") == "unknown"


def test_the_attempt_is_not_moved(authorised, books):
    books.orders[authorised.order_code].state = OrderState.CANCELLED
    checked(authorised, "cancelled")
    authorised.refresh_from_db()
    assert authorised.state == Attempt.State.AUTHORISED


@pytest.mark.parametrize("end", ["refused", "not_sent", "expired"])
def test_money_held_for_an_attempt_that_had_ended_puts_it_aside_for_staff(authorised, end):
    Attempt.objects.update(state=end)
    assert checked(authorised, "authorised") == "confirmed"
    authorised.refresh_from_db()
    assert authorised.state == Attempt.State.CONFLICTED


def test_a_lie_about_an_attempt_that_had_ended_is_denied(attempt):
    authorise(attempt, "refuse")
    assert checked(attempt, "authorised") == "denied"
    attempt.refresh_from_db()
    assert attempt.state == Attempt.State.REFUSED


def test_an_authorisation_that_was_released_again_holds_nothing(authorised, books):
    Attempt.objects.update(state=Attempt.State.EXPIRED)
    books.orders[authorised.order_code].state = OrderState.CANCELLED
    assert checked(authorised, "authorised") == "denied"


def test_an_order_that_never_arrived_is_denied(attempt):
    Attempt.objects.update(state=Attempt.State.NOT_SENT)
    assert checked(attempt, "authorised") == "denied"
