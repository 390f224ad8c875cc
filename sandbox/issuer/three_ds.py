"""The provider's 3-D Secure pages: device data, the redirection to the issuer and the return."""

import secrets
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import Response

from sandbox.books.books import Books, Kind
from sandbox.books.orders import fold
from sandbox.configuration import Configuration
from sandbox.faults.pages import PageFaults
from sandbox.issuer.tokens import InvalidToken, verify_challenge, verify_device_data
from sandbox.pages import Pages, json_text, read_form

MAX_MERCHANT_DATA = 1024


class ThreeDsServer:
    def __init__(self, books: Books, faults: PageFaults, configuration: Configuration, pages: Pages) -> None:
        self._faults = faults
        self._books = books
        self._configuration = configuration
        self._pages = pages

    async def device_data(self, request: Request) -> Response:
        """Take `Bin` and `JWT`, and return a page that posts the session id to its parent window."""
        form = await read_form(request)
        bin_digits = form.get("Bin", "")
        if not (bin_digits.isascii() and bin_digits.isdigit() and 6 <= len(bin_digits) <= 19):
            return self._pages.problem("Bin must be a card number or its first six digits")
        try:
            verify_device_data(form.get("JWT", ""), self._configuration)
        except InvalidToken as error:
            return self._pages.problem(str(error))
        fault = await self._faults.strike("device_data")
        if isinstance(fault, Response):
            return fault
        # Random, not drawn from the seed, because two shoppers may send device data at once.
        session_id = f"0_{secrets.token_hex(16)}"
        is_complete = fault != "status_false"
        told = {"MessageType": "profile.completed", "SessionId": session_id, "Status": is_complete}
        message = "" if fault == "no_message" else json_text(told)
        return self._pages.render("device_data.html", {"message": message}, may_be_framed=True)

    async def challenge(self, request: Request) -> Response:
        """Take `JWT` and `MD`, and send the browser to the issuer with `creq` and `threeDSSessionData`."""
        form = await read_form(request)
        merchant_data = form.get("MD", "")
        if len(merchant_data) > MAX_MERCHANT_DATA:
            return self._pages.problem(f"MD must have at most {MAX_MERCHANT_DATA} characters")
        try:
            asked = verify_challenge(form.get("JWT", ""), self._configuration)
        except InvalidToken as error:
            return self._pages.problem(str(error))
        order_code = self._books.order_of_transaction(asked.transaction_id)
        order = fold(self._books.entries(order_code)) if order_code else None
        challenge = order.challenge(asked.transaction_id) if order else None
        acs_url = f"{self._configuration.url}/acs/challenge/"
        if (
            order is None
            or challenge is None
            or (asked.payload, asked.acs_url) != (challenge.payload, acs_url)
        ):
            return self._pages.problem("TransactionId, Payload and ACSUrl are not those of one challenge")
        fault = await self._faults.strike("challenge", order.code)
        if isinstance(fault, Response):
            return fault
        with self._books.connection:
            self._books.append(
                order.code,
                Kind.CHALLENGE_OPENED,
                transaction_id=asked.transaction_id,
                detail={"return_url": asked.return_url, "merchant_data": merchant_data},
            )
        fields = {"creq": asked.payload, "threeDSSessionData": asked.transaction_id}
        return self._pages.forward(acs_url, fields, "Continue to your bank")

    async def challenge_return(self, request: Request) -> Response:
        """Take `cres` and `threeDSSessionData` from the issuer, and send the browser back to the merchant.

        The merchant gets no result here: the outcome is only in the reply to its second message.
        """
        form = await read_form(request)
        transaction_id = form.get("threeDSSessionData", "")
        order_code = self._books.order_of_transaction(transaction_id)
        order = fold(self._books.entries(order_code)) if order_code else None
        challenge = order.challenge(transaction_id) if order else None
        if order is None or challenge is None or not challenge.return_url:
            return self._pages.problem("No challenge is under way with this identifier")
        fault = await self._faults.strike("return", order.code)
        if isinstance(fault, Response):
            return fault
        fields = {
            "TransactionId": str(uuid4()) if fault == "another_transaction" else transaction_id,
            "Response": "",
            "MD": f"not-{challenge.merchant_data}" if fault == "another_md" else challenge.merchant_data,
        }
        method = "get" if fault == "by_get" else "post"
        return self._pages.forward(challenge.return_url, fields, "Return to the shop", method=method)
