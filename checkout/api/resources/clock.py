"""The clock of one payment. In a try-out, tests of shops move it forward."""

from datetime import timedelta
from typing import ClassVar

from rest_framework.request import Request

from checkout.api.access.scopes import Scope
from checkout.api.answers import catalogue
from checkout.api.answers.answer import Answer
from checkout.api.answers.refusal import refusal
from checkout.api.requests.description import Described
from checkout.api.requests.view import ApiView
from checkout.api.resources import inputs
from checkout.conf import conf
from checkout.payments.actions import payment_queries
from checkout.payments.objects import PaymentObject
from checkout.payments.timers.movable_clock import advance_clock
from checkout.webhooks import actions as webhooks


class PaymentClock(ApiView):
    """The clock of one payment."""

    methods: ClassVar = {
        "POST": Described(
            name="advanceClock",
            summary="Move the time of a payment and its webhooks forward, in a try-out",
            scope=Scope.PAYMENTS_CREATE,
            body=inputs.AdvanceClock,
            answers={200: PaymentObject},
            problems=(catalogue.PAYMENT_NOT_FOUND, catalogue.NOT_A_TRY_OUT, catalogue.NOT_POSSIBLE_NOW),
        )
    }

    def post(self, request: Request, reference: str) -> Answer:
        """Move the clock forward, and run the timers and webhooks that became due.

        Return the payment afterwards.
        """
        by = timedelta(seconds=self.body["seconds"])
        if not conf.is_try_out:
            raise refusal(catalogue.NOT_A_TRY_OUT)
        advance_clock(reference, by, merchant=self.merchant)
        webhooks.advance_deliveries(self.merchant.code, reference, by)
        return Answer.of(200, payment_queries.read_payment(self.merchant, reference))
