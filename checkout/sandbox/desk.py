"""Pages for the developer: what this is, the books, the magic values and the knobs."""

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from checkout.sandbox.books import Books
from checkout.sandbox.configuration import Configuration
from checkout.sandbox.knobs import VERBS, Knob, Knobs
from checkout.sandbox.orders import Order, fold
from checkout.sandbox.outgoing import Outgoing
from checkout.sandbox.pages import Pages, read_body
from checkout.sandbox.scenarios import CARD_AUTHENTICATIONS, CARD_REFUSALS, HOLDER_AUTHENTICATIONS, REFUSALS


class Setting(BaseModel):
    """What may be posted to the scenarios page. A reset happens before the knob is set."""

    model_config = ConfigDict(extra="forbid")

    reset: bool = False
    knob: Knob | None = None


class Desk:
    def __init__(
        self, books: Books, outgoing: Outgoing, knobs: Knobs, configuration: Configuration, pages: Pages
    ) -> None:
        self._books = books
        self._outgoing = outgoing
        self._knobs = knobs
        self._configuration = configuration
        self._pages = pages

    async def index(self, request: Request) -> Response:
        del request
        return self._pages.render("index.html", {"configuration": self._configuration})

    async def live(self, request: Request) -> Response:
        del request
        return JSONResponse({"status": "ok"})

    async def statement(self, request: Request) -> Response:
        """Every order, or the one that `?order_code=` names, with its amounts and entries."""
        wanted = request.query_params.get("order_code")
        codes = [wanted] if wanted else list(self._books.order_codes())
        orders = [self._order_statement(code) for code in codes]
        notifications = [
            notification
            for notification in self._outgoing.statement()
            if wanted is None or notification["order_code"] == wanted
        ]
        return JSONResponse({"orders": [order for order in orders if order], "notifications": notifications})

    async def scenarios(self, request: Request) -> Response:
        """GET lists, POST sets. JSON for whoever accepts it, a page for browsers."""
        if request.method == "POST":
            try:
                setting = Setting.model_validate_json(await read_body(request))
            except ValidationError as error:
                problems = error.errors(include_url=False, include_context=False, include_input=False)
                return JSONResponse({"errors": problems}, status_code=400)
            if setting.reset:
                self._knobs.reset()
            if setting.knob:
                self._knobs.turn(setting.knob)
        listing = self._listing()
        if request.method == "GET" and "text/html" in request.headers.get("accept", ""):
            return self._pages.render("scenarios.html", listing)
        return JSONResponse(listing)

    def _listing(self) -> dict[str, Any]:
        return {
            "holder_names": [
                {"value": "AUTHORISED", "meaning": "authorised, like every name not in this list"},
                {"value": "REFUSED", "meaning": "refused with code 5"},
                {"value": "REFUSEDnn", "meaning": "refused with code nn"},
                {"value": "ERROR", "meaning": "the payment ends in ERROR"},
                {"value": "CANCELLED", "meaning": "the payment ends in CANCELLED"},
                *({"value": name, "meaning": how.meaning} for name, how in HOLDER_AUTHENTICATIONS.items()),
            ],
            "card_numbers": [
                *({"value": number, "meaning": how.meaning} for number, how in CARD_AUTHENTICATIONS.items()),
                *(
                    {"value": number, "meaning": f"refused with code {code}"}
                    for number, code in CARD_REFUSALS.items()
                ),
            ],
            "refusal_codes": [{"value": code, "meaning": meaning} for code, meaning in REFUSALS.items()],
            "verbs": list(VERBS),
            "pending_knobs": [knob.model_dump() for knob in self._knobs.pending()],
        }

    def _order_statement(self, order_code: str) -> dict[str, Any] | None:
        entries = self._books.entries(order_code)
        order = fold(entries)
        if order is None:
            return None
        return {
            **_summary(order),
            "events": [
                {"at": entry.at, "kind": entry.kind, "amount": entry.amount, "reference": entry.reference}
                for entry in entries
            ],
        }


def _summary(order: Order) -> dict[str, Any]:
    return {
        "order_code": order.code,
        "merchant_code": order.merchant_code,
        "state": order.state,
        "currency": order.currency,
        "exponent": order.exponent,
        "amount": order.amount,
        "authorised": order.authorised,
        "cancelled": order.cancelled,
        "capture_requested": order.capture_requested,
        "captured": order.captured,
        "refund_requested": order.refund_requested,
        "refunded": order.refunded,
        "card": order.card,
        "device_data": order.device_data,
        "refusal_code": order.refusal_code,
        "authentication": order.authentication,
        "challenges": [
            {"transaction_id": challenge.transaction_id, "decision": challenge.decision}
            for challenge in order.challenges
        ],
    }
