"""The provider's XML endpoint."""

import hmac
from base64 import b64decode

from starlette.requests import Request
from starlette.responses import Response

from sandbox.bank.acquirer import Acquirer
from sandbox.bank.cards import CardKey
from sandbox.bank.modifications import Modifications
from sandbox.bank.tokens import Tokens
from sandbox.books.books import Books
from sandbox.books.orders import fold
from sandbox.changes import ChangeSignal
from sandbox.configuration import Configuration
from sandbox.errors import RequestRefused
from sandbox.messages.replies import (
    error_reply,
    list_reply,
    modified_reply,
    received_reply,
    status_reply,
    token_deleted_reply,
)
from sandbox.pages import Pages, read_body
from sandbox.wpg.fault_injection import FaultInjection
from sandbox.wpg.idempotency import Answer, AnsweredRequests
from sandbox.wpg.incoming import (
    Message,
    read_amount,
    read_message,
    read_period,
    read_submission,
    read_token,
)


class Wpg:
    def __init__(
        self,
        acquirer: Acquirer,
        modifications: Modifications,
        answered: AnsweredRequests,
        books: Books,
        card_key: CardKey,
        tokens: Tokens,
        fault_injection: FaultInjection,
        changes: ChangeSignal,
        configuration: Configuration,
        pages: Pages,
    ) -> None:
        self._acquirer = acquirer
        self._modifications = modifications
        self._answered = answered
        self._books = books
        self._card_key = card_key
        self._tokens = tokens
        self._fault_injection = fault_injection
        self._changes = changes
        self._configuration = configuration
        self._pages = pages

    async def payment_service(self, request: Request) -> Response:
        """Answer 200 with XML, even for errors; wrong credentials get HTML, as from the real endpoint."""
        if not self._is_merchant(request.headers.get("authorization", "")):
            refusal = self._pages.render("unauthorised.html", {}, status=401)
            refusal.headers["WWW-Authenticate"] = 'Basic realm="Sandbox"'
            return refusal
        body = await read_body(request)
        try:
            if "xml" not in request.headers.get("content-type", ""):
                raise RequestRefused(2, "Content-Type must be text/xml")
            message = read_message(body)
        except RequestRefused as error:
            return _response(Answer(error_reply(self._configuration.merchant_code, error)))
        return await self._fault_injection.reply(message, lambda: self._reply(message, body, request))

    def _reply(self, message: Message, body: bytes, request: Request) -> Response:
        try:
            answer = self._answer(message, body, request)
        except RequestRefused as error:
            answer = Answer(error_reply(message.merchant_code, error))
        self._changes.notify()
        return _response(answer)

    def _answer(self, message: Message, body: bytes, request: Request) -> Answer:
        if message.merchant_code != self._configuration.merchant_code:
            raise RequestRefused(4, "Security violation: merchantCode is not the one of these credentials")
        key = request.headers.get("idempotency-key", "")
        if key:
            self._answered.check(key)
        if key and self._deduplicates(message) and (known := self._answered.recall(key, body)):
            return known
        with self._books.connection:
            try:
                answer = self._act(message, request)
            except RequestRefused as error:
                # An order's trait may book something before an error is raised, and that booking must be
                # kept.
                error.order_code = error.order_code or message.order_code
                answer = Answer(error_reply(self._configuration.merchant_code, error))
            if key and self._deduplicates(message):
                self._answered.keep(key, body, answer)
        return answer

    def _deduplicates(self, message: Message) -> bool:
        """Return False for a cancel, which idempotency does not cover, and for orders with that trait."""
        order = fold(self._books.entries(message.order_code))
        return message.verb != "cancel" and (order is None or "no_deduplication" not in order.traits)

    def _act(self, message: Message, request: Request) -> Answer:
        code, element = message.order_code, message.element
        match message.verb:
            case "submit":
                new = read_submission(element, self._card_key, self._tokens)
                order = self._acquirer.submit(new)
                if new.pays_out and not order.refusal_code:
                    # As recorded in activemerchant (worldpay_test.rb, successful_credit_response).
                    return Answer(received_reply(order, "refundReceived", new.amount, "credit"))
                return Answer(status_reply(order, self._acs_url), order.machine)
            case "complete":
                session = element.find("session")
                session_id = "" if session is None else session.get("id", "")
                order = self._acquirer.complete(code, session_id, _cookies(request))
                return Answer(status_reply(order, self._acs_url), order.machine if order.in_challenge else "")
            case "inquiry":
                return Answer(status_reply(self._acquirer.shown(code), self._acs_url))
            case "list":
                most = self._configuration.list_limit
                orders = self._acquirer.listed(*read_period(element), most)
                return Answer(list_reply(message.merchant_code, orders, most))
            case "delete_token":
                token, shopper = read_token(element)
                self._tokens.delete(token, shopper)
                return Answer(token_deleted_reply(message.merchant_code, token))
            case "cancel":
                self._modifications.cancel(code)
                return Answer(self._accepted(message, None))
            case "capture" | "refund" as verb:
                modification = element.find(verb)
                if modification is None:
                    raise RequestRefused(2, f"No {verb} in the modification")
                amount = read_amount(modification)
                act = self._modifications.capture if verb == "capture" else self._modifications.refund
                act(code, amount, modification.get("reference", ""))
                return Answer(self._accepted(message, amount.value))

    def _accepted(self, message: Message, amount: int | None) -> bytes:
        """Return the answer to a modification that was accepted: an `ok`, or the order's status."""
        order = self._acquirer.order(message.order_code)
        if "synchronous_replies" in order.traits:
            return modified_reply(order, message.element)
        indicator = "debit" if message.verb == "refund" else "credit"
        return received_reply(order, f"{message.verb}Received", amount, indicator)

    @property
    def _acs_url(self) -> str:
        return f"{self._configuration.url}/acs/challenge/"

    def _is_merchant(self, authorization: str) -> bool:
        scheme, _, encoded = authorization.partition(" ")
        try:
            given = b64decode(encoded, validate=True)
        except ValueError:
            return False
        expected = f"{self._configuration.user}:{self._configuration.password}".encode()
        return scheme.lower() == "basic" and hmac.compare_digest(given, expected)


def _response(answer: Answer) -> Response:
    response = Response(answer.body, media_type="text/xml")
    for cookie in filter(None, answer.machine.split("; ")):
        response.headers.append("Set-Cookie", f"{cookie};path=/;HttpOnly")
    return response


def _cookies(request: Request) -> list[str]:
    """Return every cookie sent, with repetitions, because the provider refuses a repeated one."""
    headers = request.headers.getlist("cookie")
    return [pair.strip() for header in headers for pair in header.split(";")]
