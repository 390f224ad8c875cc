"""The books as JSON, page by page: every order with its sums, entries, notifications and incidents."""

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.books.books import Books, Entry, Kind
from sandbox.books.orders import Order, fold
from sandbox.faults.record import FaultRecord
from sandbox.notifications.outgoing import Outgoing

LARGEST_PAGE = 5_000
LARGEST_NUMBER = 2**63 - 1


class Query(BaseModel):
    """The filters: `order` and `prefix` by order code, `since` by the time of any entry of the order.

    A page has at most `limit` orders, all submitted after the order with the number `after`. `brief` leaves
    out everything except the sums.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    order: str | None = None
    prefix: str = ""
    since: Annotated[float, Field(allow_inf_nan=False)] | AwareDatetime = 0.0
    after: Annotated[int, Field(ge=0, le=LARGEST_NUMBER)] = 0
    limit: Annotated[int, Field(ge=1, le=LARGEST_PAGE)] = 1_000
    brief: bool = False

    @property
    def since_seconds(self) -> float:
        return self.since if isinstance(self.since, float) else self.since.timestamp()


class Statement:
    def __init__(self, books: Books, outgoing: Outgoing, fault_record: FaultRecord) -> None:
        self._books = books
        self._outgoing = outgoing
        self._fault_record = fault_record

    async def show(self, request: Request) -> Response:
        """Return one page. `next` is the value of `after` for the next page, or null on the last one."""
        try:
            query = Query.model_validate(dict(request.query_params))
        except ValidationError as error:
            problems = error.errors(include_url=False, include_context=False, include_input=False)
            return JSONResponse({"errors": problems}, status_code=400)
        numbers = self._books.submissions(
            order_code=query.order,
            prefix=query.prefix,
            since=query.since_seconds,
            after=query.after,
            limit=query.limit + 1,
        )
        page = list(numbers)[: query.limit]
        histories = self._books.histories(page)
        orders = [
            _sums(order, entries) | ({} if query.brief else _details(order, entries))
            for entries in histories.values()
            if (order := fold(entries))
        ]
        answer: dict[str, Any] = {
            "orders": orders,
            "next": numbers[page[-1]] if len(numbers) > query.limit else None,
        }
        if not query.brief:
            answer["notifications"] = self._outgoing.of_orders(page)
            answer["incidents"] = self._fault_record.of_orders(page)
        return JSONResponse(answer)


def _sums(order: Order, entries: Sequence[Entry]) -> dict[str, Any]:
    return {
        "order_code": order.code,
        "state": order.state,
        "currency": order.currency,
        "exponent": order.exponent,
        "amount": order.amount,
        "authorisations": sum(entry.kind == Kind.AUTHORISED for entry in entries),
        "authorised": order.authorised,
        "cancelled": order.cancelled,
        "released": order.released,
        "capture_requested": order.capture_requested,
        "captured": order.captured,
        "refund_requested": order.refund_requested,
        "refunded": order.refunded,
        "refund_denied": order.refund_denied,
        "charged_back": order.charged_back,
    }


def _details(order: Order, entries: Sequence[Entry]) -> dict[str, Any]:
    return {
        "merchant_code": order.merchant_code,
        "traits": order.traits,
        "card": order.card,
        "device_data": order.device_data,
        "refusal_code": order.refusal_code,
        "authentication": order.authentication,
        "challenges": [
            {"transaction_id": challenge.transaction_id, "decision": challenge.decision}
            for challenge in order.challenges
        ],
        "events": [
            {"at": entry.at, "kind": entry.kind, "amount": entry.amount, "reference": entry.reference}
            for entry in entries
        ],
    }
