"""Rows on which each action of the back office is possible."""

from datetime import timedelta

from django.contrib.auth.models import User
from django.utils import timezone

from checkout.api.access.keys import make_key
from checkout.money import Money
from checkout.payments.actions.staff.approvals import Member, Proposal, propose
from checkout.payments.models import PaymentLink, SavedCard
from checkout.payments.models.approval import Matter
from checkout.payments.providers.saved_cards import IssuedToken
from checkout.receipts.models import Receipt
from checkout.states import PaymentState
from checkout.webhooks.actions import create_endpoint, disable
from checkout.webhooks.models import Delivery, WebhookEndpoint
from tests.backoffice import rows
from tests.backoffice.factors import give_factor


def endpoint():
    return create_endpoint(rows.merchant().code, "https://shop.example/hook").endpoint


def disabled_endpoint():
    row = endpoint()
    return disable(row.merchant, row.reference, "x")


def endpoint_that_waits():
    delivery(next_try_at=timezone.now() + timedelta(hours=1))
    return WebhookEndpoint.objects.get()


def delivery(**fields):
    values = {"next_try_at": timezone.now(), **fields}
    return Delivery.objects.create(
        endpoint=endpoint(), event="evt_1", event_type="payment.captured", **values
    )


def saved_card():
    token = IssuedToken(token="kept-token", brand="visa", last4="1111", expiry="12/2030")
    card = SavedCard.of(rows.attempt(rows.payment("SAVED")), token)
    card.save()
    return card


def attacked_merchant():
    row = rows.merchant()
    row.attack_mode = "on"
    row.save()
    return row


def conflicted_payment():
    row = rows.payment("CONFLICTED", PaymentState.CONFLICTED)
    rows.attempt(row, state="conflicted")
    return row


def link():
    return PaymentLink.objects.create(
        merchant=rows.merchant(), order_reference="A-1", amount_minor=1250, currency="GBP", description="Tea"
    )


def receipt_that_was_sent():
    return Receipt.objects.create(
        payment_reference=rows.payment("PAID").reference,
        email="ella@example.com",
        amount_minor=1250,
        currency="GBP",
    )


def dead_letter():
    return rows.dead_letter(rows.payment("DEAD").reference, queue="checkout.commands.ledger")


def user_with_factor():
    user = User.objects.create(username="heidi", is_staff=True)
    give_factor(user)
    return user


def requested(by_user=0):
    """Request the approval of a refund as the user with this key."""
    payment = rows.captured("TO-APPROVE")
    proposal = Proposal(
        merchant=payment.merchant,
        payment=payment,
        matter=Matter.MONEY,
        action="refund",
        what="Refund £5.00 of order TO-APPROVE",
        key="staff-1",
        amount=Money(500, "GBP"),
        seen="1250",
        reason="Damaged",
    )
    return propose(proposal, Member("someone", by_user))[0]


def requested_by_the_newest_user():
    return requested(User.objects.latest("pk").pk)


MAKE = {
    ("apikey", "revoke"): lambda: make_key(rows.merchant(), name="shop", by="ada")[0],
    ("approvalrequest", "approve"): requested,
    ("approvalrequest", "decline"): requested,
    ("approvalrequest", "withdraw"): requested_by_the_newest_user,
    ("deadletter", "deal_with"): dead_letter,
    ("deadletter", "requeue"): dead_letter,
    ("delivery", "resend"): delivery,
    ("difference", "deal_with"): lambda: rows.difference(rows.payment("DIFFERS")),
    ("merchant", "attack_mode_automatic"): attacked_merchant,
    ("merchant", "attack_mode_off"): rows.merchant,
    ("merchant", "attack_mode_on"): rows.merchant,
    ("payment", "accept"): rows.unauthenticated,
    ("payment", "cancel"): lambda: rows.payment("OPEN"),
    ("payment", "note"): lambda: rows.payment("NOTED"),
    ("payment", "review"): conflicted_payment,
    ("paymentlink", "disable"): link,
    ("providernotification", "deal_with"): lambda: rows.notification(rows.payment("LIED"), "conflicted"),
    ("receipt", "resend"): receipt_that_was_sent,
    ("saga", "resume"): lambda: rows.saga(rows.payment("PARKED", PaymentState.AUTHORISED), "parked"),
    ("savedcard", "remove"): saved_card,
    ("user", "reset"): user_with_factor,
    ("webhookendpoint", "disable"): endpoint,
    ("webhookendpoint", "enable"): disabled_endpoint,
    ("webhookendpoint", "ping"): endpoint,
    ("webhookendpoint", "resend"): endpoint,
    ("webhookendpoint", "rotate"): endpoint,
    ("webhookendpoint", "send_waiting"): endpoint_that_waits,
}
