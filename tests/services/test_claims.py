"""Whether a provider confirms what a notification said and nothing of ours explains."""

from dataclasses import replace

import pytest

from checkout import commands
from checkout.models import Attempt, Fact, Operation
from checkout.money import Money
from checkout.providers import memory
from checkout.providers.base import EventKind
from checkout.providers.memory_books import OrderState
from checkout.services.payments import service
from tests.services.asking import authorise, operation_on
from tests.services.delivering import command, deliver

pytestmark = pytest.mark.django_db
CAPTURE, REFUND = Operation.Kind.CAPTURE, Operation.Kind.REFUND
State = Operation.State


@pytest.fixture
def authorised(attempt: Attempt) -> Attempt:
    authorise(attempt, "approve")
    return attempt


def checked(attempt: Attempt, claim: str, operation: str = "") -> str:
    body = commands.CheckClaim(
        payment=attempt.payment.reference, attempt=attempt.order_code, claim=claim, operation=operation
    )
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


def operation(attempt: Attempt, kind: str, minor: int, state: str) -> str:
    made = operation_on(attempt, kind, minor)
    made.state = state
    made.save()
    return made.reference


@pytest.fixture
def refunds(authorised, books):
    """One that we hold as refused, and one that is done; what the provider has of them is yet to be said."""
    order = books.orders[authorised.order_code]
    order.captured = order.amount
    operation(authorised, CAPTURE, 1250, State.DONE)
    operation(authorised, REFUND, 300, State.DONE)
    return order, operation(authorised, REFUND, 529, State.REFUSED)


def test_more_than_we_know_of_is_confirmed_although_another_operation_explains_the_event(authorised, refunds):
    order, refused = refunds
    order.refunded = Money(829, "GBP")
    assert checked(authorised, "refunded", refused) == "confirmed"


def test_what_we_know_of_is_no_confirmation_of_another(authorised, refunds):
    order, refused = refunds
    order.refunded = Money(300, "GBP")
    assert checked(authorised, "refunded", refused) == "denied"


def test_what_may_be_one_that_is_under_way_or_the_refused_one_is_asked_about_again(authorised, refunds):
    order, refused = refunds
    under_way = operation(authorised, REFUND, 421, State.PENDING)
    order.refunded = Money(721, "GBP")
    assert checked(authorised, "refunded", refused) == "unknown"
    Operation.objects.filter(reference=under_way).update(state=State.DONE)
    assert checked(authorised, "refunded", refused) == "denied"


def test_without_sums_another_operation_neither_denies_nor_confirms_it(authorised, refunds, monkeypatch):
    order, refused = refunds
    order.refunded = Money(829, "GBP")
    inquire = memory.MemoryProvider.inquire
    monkeypatch.setattr(
        memory.MemoryProvider, "inquire", lambda *about: replace(inquire(*about), position=None)
    )
    assert checked(authorised, "refunded", refused) == "unknown"


def test_a_failure_that_names_no_refund_is_no_more_than_a_rumour_until_the_provider_says_so(
    authorised, refunds, monkeypatch
):
    """Sums may lack what anybody has told us to be done."""
    order, _ = refunds
    order.refunded = Money(0, "GBP")
    assert checked(authorised, "refund_failed") == "denied"
    inquire = memory.MemoryProvider.inquire
    monkeypatch.setattr(
        memory.MemoryProvider,
        "inquire",
        lambda *about: replace(inquire(*about), kind=EventKind.REFUND_FAILED),
    )
    assert checked(authorised, "refund_failed") == "confirmed"
    order.refunded = Money(300, "GBP")
    assert checked(authorised, "refund_failed") == "denied"


def test_an_answer_that_is_older_than_what_we_know_confirms_nothing(authorised, refunds, monkeypatch):
    order, refused = refunds
    order.refunded = Money(829, "GBP")
    inquire = memory.MemoryProvider.inquire

    def overtaken(*about):
        result = inquire(*about)
        operation(authorised, REFUND, 529, State.DONE)
        return result

    monkeypatch.setattr(memory.MemoryProvider, "inquire", overtaken)
    assert checked(authorised, "refunded", refused) == "unknown"


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
