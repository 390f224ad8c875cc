"""The issuer's access control server: the page where the shopper approves, fails or cancels a payment."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode

from starlette.requests import Request
from starlette.responses import Response

from sandbox.bank.acquirer import Acquirer
from sandbox.books.books import Books, Kind
from sandbox.books.orders import Challenge, Order, fold
from sandbox.configuration import Configuration
from sandbox.faults.pages import PageFaults
from sandbox.pages import Pages, json_text, read_form

CHOICES = {"approve", "fail", "cancel"}


class AccessControlServer:
    def __init__(
        self,
        books: Books,
        acquirer: Acquirer,
        faults: PageFaults,
        configuration: Configuration,
        pages: Pages,
    ) -> None:
        self._faults = faults
        self._books = books
        self._acquirer = acquirer
        self._configuration = configuration
        self._pages = pages

    async def challenge(self, request: Request) -> Response:
        """Show the payment and ask for a decision. Takes `creq` and `threeDSSessionData`."""
        form = await read_form(request)
        found = self._find(_acs_transaction(form.get("creq", "")), form.get("threeDSSessionData", ""))
        if found is None:
            return self._pages.problem("creq: not a challenge of this issuer")
        order, challenge = found
        fault = await self._faults.strike("issuer", order.code)
        if isinstance(fault, Response):
            return fault
        if challenge.decision or self._acquirer.has_expired(challenge):
            return self._answer(challenge)
        context = {
            "merchant": order.merchant_code,
            "description": order.description,
            "amount": major_units(order.amount, order.exponent),
            "currency": order.currency,
            "card": f"•••• {order.card['last4']}",
            "acs_transaction_id": challenge.acs_transaction_id,
            "session_data": challenge.transaction_id,
        }
        return self._pages.render("challenge.html", context, may_be_framed=True)

    async def decision(self, request: Request) -> Response:
        """Take the shopper's `choice`. The first one counts; a repetition gets the same answer."""
        form = await read_form(request)
        found = self._find(form.get("acsTransID", ""), form.get("threeDSSessionData", ""))
        choice = form.get("choice", "")
        if found is None or choice not in CHOICES:
            return self._pages.problem("This is no choice for a challenge of this issuer")
        order, challenge = found
        if not challenge.decision and not self._acquirer.has_expired(challenge):
            with self._books.connection:
                self._books.append(
                    order.code,
                    Kind.CHALLENGE_DECIDED,
                    transaction_id=challenge.transaction_id,
                    detail={"decision": choice},
                )
            challenge.decision = choice
        return self._answer(challenge)

    def _find(self, acs_transaction_id: str, transaction_id: str) -> tuple[Order, Challenge] | None:
        order_code = self._books.order_of_transaction(transaction_id)
        order = fold(self._books.entries(order_code)) if order_code else None
        challenge = order.challenge(transaction_id) if order else None
        if order is None or challenge is None or challenge.acs_transaction_id != acs_transaction_id:
            return None
        return order, challenge

    def _answer(self, challenge: Challenge) -> Response:
        cres = {
            "threeDSServerTransID": challenge.transaction_id,
            "acsTransID": challenge.acs_transaction_id,
            "challengeCompletionInd": "Y",
            "transStatus": "Y" if challenge.decision == "approve" else "N",
            "messageType": "CRes",
            "messageVersion": "2.2.0",
        }
        fields = {
            "cres": urlsafe_b64encode(json_text(cres).encode()).rstrip(b"=").decode(),
            "threeDSSessionData": challenge.transaction_id,
        }
        action = f"{self._configuration.url}/worldpay/shopper/3ds/return.html"
        return self._pages.forward(action, fields, "Return to the shop")


def major_units(amount: int, exponent: int) -> str:
    """Return minor units as people write them: 1050 with exponent 2 becomes 10.50."""
    if exponent == 0:
        return str(amount)
    whole, part = divmod(amount, 10**exponent)
    return f"{whole}.{part:0{exponent}d}"


def _acs_transaction(creq: str) -> str:
    try:
        message = json.loads(urlsafe_b64decode(creq + "=" * (-len(creq) % 4)))
        return str(message["acsTransID"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
