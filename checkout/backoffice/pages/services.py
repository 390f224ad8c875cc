"""The pages of the tables of the services risk, orders and notifications."""

from collections.abc import Iterator

from django.contrib import admin

from checkout.backoffice.base import ReadOnlyAdmin
from checkout.backoffice.display.columns import WithState
from checkout.backoffice.display.facts import FactLine
from checkout.backoffice.display.localised import money_text
from checkout.backoffice.display.values import NOTHING, humanised, lines_text, payment_link
from checkout.backoffice.filters import HappenedFilter
from checkout.backoffice.row_actions import ReadOnlyAdminWithActions, Verb
from checkout.money import Money
from checkout.orders.models import Reservation
from checkout.receipts.models import Receipt
from checkout.receipts.resending import send_again
from checkout.risk.models import RiskAssessment


class OfOnePayment(ReadOnlyAdmin):
    """A mixin for a table of a service that refers to a payment by its reference only."""

    search_fields = ("payment_reference__exact",)
    search_help_text = "Payment reference"

    @admin.display(ordering="payment_reference")
    def payment(self, row: Reservation | RiskAssessment | Receipt) -> str:
        return payment_link(row.payment_reference)


@admin.register(Reservation)
class ReservationAdmin(WithState, OfOnePayment):
    """Stock that was reserved, sold or released."""

    list_display = ("__str__", "payment", "state_label", "created_at", "updated_at")
    list_filter = ("state",)
    fields = ("payment", "merchant_code", "state_label", "ordered", "created_at", "updated_at")
    readonly_fields = ("payment", "state_label", "ordered")

    @admin.display(description="lines")
    def ordered(self, reservation: Reservation) -> str:
        return lines_text(reservation.lines)


@admin.register(RiskAssessment)
class RiskAssessmentAdmin(OfOnePayment):
    """The decisions of the risk service, and the reasons for which it refused payments."""

    list_display = ("__str__", "payment", "amount", "why", "assessed_at")
    list_filter = (("assessed_at", admin.DateFieldListFilter),)
    date_hierarchy = "assessed_at"
    fields = ("payment", "decision", "why", "amount", "ip_address", "assessed_at")
    readonly_fields = ("payment", "amount", "why")

    @admin.display(ordering="amount_minor")
    def amount(self, assessment: RiskAssessment) -> str:
        return money_text(Money(assessment.amount_minor, assessment.currency))

    @admin.display(description="reasons")
    def why(self, assessment: RiskAssessment) -> str:
        return ", ".join(map(humanised, assessment.reasons)) or NOTHING


RESEND = Verb(
    name="resend",
    label="Send again",
    explanation="The shopper gets the same receipt once more, at the same address.",
    done="The receipt is sent again within a minute.",
    otherwise="the receipt is about to be sent, or its address was erased. Nothing was changed.",
    is_offered=lambda receipt: receipt.next_try_at is None and bool(receipt.email),
    carry_out=lambda receipt, by, _: send_again(receipt),
)


@admin.register(Receipt)
class ReceiptAdmin(ReadOnlyAdminWithActions, OfOnePayment):
    """Receipts that are to be sent, or were sent, to shoppers."""

    verbs = (RESEND,)
    list_display = ("__str__", "payment", "created_at", "sent_at")
    list_filter = (("sent_at", HappenedFilter),)
    fields = (
        "payment",
        "refund",
        "email",
        "merchant",
        "order_reference",
        "description",
        "amount",
        "card",
        "is_reserved",
        "is_test",
        "created_at",
        "sent_at",
        "next_try_at",
        "failures",
        "resendings",
    )
    readonly_fields = ("payment", "amount", "card")

    @admin.display(ordering="amount_minor")
    def amount(self, receipt: Receipt) -> str:
        return money_text(Money(receipt.amount_minor, receipt.currency))

    @admin.display(description="card")
    def card(self, receipt: Receipt) -> str:
        return " ".join(filter(None, (receipt.card_brand, receipt.card_last4))) or NOTHING

    def facts(self, row: Receipt) -> Iterator[FactLine]:
        yield "Receipt for", f"refund {row.refund}" if row.refund else row.payment_reference
        yield "To", row.email
