"""The scenarios page, which lists the magic values and the knobs that can be set."""

from collections.abc import Sequence
from typing import Annotated, Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.bank.disputes import Disputes, DisputeStep
from sandbox.bank.portal import Portal, PortalStep
from sandbox.books.plans import Plans
from sandbox.changes import ChangeSignal
from sandbox.clock import Clock
from sandbox.configuration import Speed
from sandbox.errors import RequestRefused
from sandbox.faults.fault_settings import (
    BookingKnob,
    K,
    Knobs,
    NotificationKnob,
    OrderKnob,
    PageKnob,
    ReplyKnob,
    Scenario,
)
from sandbox.faults.kinds import JOURNALS, PAGES, VERBS, NotificationFault, PageFault, ReplyFault
from sandbox.faults.record import FaultRecord
from sandbox.notifications.outgoing import Outgoing
from sandbox.pages import Pages, read_body
from sandbox.scenarios import CARD_AUTHENTICATIONS, CARD_REFUSALS, HOLDER_AUTHENTICATIONS, REFUSALS
from sandbox.traits import MEANINGS

T = TypeVar("T")


class Advance(BaseModel):
    """A request to book earlier: the beginning of the orders' codes, and by how many seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    order: Annotated[str, Field(min_length=1)]
    seconds: Annotated[float, Field(gt=0, le=366 * 86_400)]


class Setting(BaseModel):
    """A form of the scenarios page. Its reset takes effect before the rest."""

    model_config = ConfigDict(extra="forbid")

    reset: bool = False
    knob: ReplyKnob | list[ReplyKnob] = Field(default_factory=list)
    booking: BookingKnob | list[BookingKnob] = Field(default_factory=list)
    notification: NotificationKnob | list[NotificationKnob] = Field(default_factory=list)
    order: OrderKnob | list[OrderKnob] = Field(default_factory=list)
    page: PageKnob | list[PageKnob] = Field(default_factory=list)
    dispute: DisputeStep | list[DisputeStep] = Field(default_factory=list)
    portal: PortalStep | list[PortalStep] = Field(default_factory=list)
    advance: Advance | list[Advance] = Field(default_factory=list)
    clock_scale: Speed | None = None


class Console:
    def __init__(
        self,
        scenario: Scenario,
        disputes: Disputes,
        portal: Portal,
        plans: Plans,
        outgoing: Outgoing,
        clock: Clock,
        fault_record: FaultRecord,
        pages: Pages,
        changes: ChangeSignal,
        url: str,
    ) -> None:
        self._changes = changes
        self._url = url
        self._scenario = scenario
        self._disputes = disputes
        self._portal = portal
        self._plans = plans
        self._outgoing = outgoing
        self._clock = clock
        self._fault_record = fault_record
        self._pages = pages

    async def show(self, request: Request) -> Response:
        """List on GET, set on POST. Programs that accept JSON get JSON, browsers a page."""
        if request.method == "POST":
            if request.headers.get("origin", self._url) != self._url:
                # A page of another site in the developer's browser has an Origin; programs send none.
                return JSONResponse({"errors": [{"msg": "Not for pages of other sites"}]}, status_code=403)
            try:
                self._set(Setting.model_validate_json(await read_body(request)))
            except ValidationError as error:
                problems = error.errors(include_url=False, include_context=False, include_input=False)
                return JSONResponse({"errors": problems}, status_code=400)
            except RequestRefused as error:
                return JSONResponse({"errors": [{"msg": error.message}]}, status_code=400)
        listing = self._listing()
        if request.method == "GET" and "text/html" in request.headers.get("accept", ""):
            return self._pages.render("scenarios.html", listing)
        return JSONResponse(listing)

    def _set(self, setting: Setting) -> None:
        if setting.reset:
            self._scenario.reset()
            self._clock.reset()
        _turn(self._scenario.replies, setting.knob)
        _turn(self._scenario.notifications, setting.notification)
        _turn(self._scenario.bookings, setting.booking)
        _turn(self._scenario.orders, setting.order)
        _turn(self._scenario.pages, setting.page)
        if setting.clock_scale:
            self._clock.run_at(setting.clock_scale)
        for each in _listed(setting.advance):
            self._plans.bring_forward(each.order, each.seconds)
            self._changes.notify()
        for step in _listed(setting.dispute):
            self._disputes.take(step)
        for done in _listed(setting.portal):
            self._portal.take(done)

    def _listing(self) -> dict[str, Any]:
        return {
            "holder_names": [
                {"value": "AUTHORISED", "meaning": "authorised, like every name not in this list"},
                {"value": "REFUSED", "meaning": "refused with code 5"},
                {"value": "REFUSEDnn", "meaning": "refused with code nn"},
                {"value": "ERROR", "meaning": "the payment ends in ERROR"},
                {"value": "CANCELLED", "meaning": "the payment ends in CANCELLED"},
                {"value": "LATER_REFUSEDnn", "meaning": "authorised; later charges are refused with code nn"},
                *({"value": name, "meaning": how.meaning} for name, how in HOLDER_AUTHENTICATIONS.items()),
            ],
            "card_numbers": [
                *({"value": number, "meaning": how.meaning} for number, how in CARD_AUTHENTICATIONS.items()),
                *(
                    {"value": number, "meaning": f"refused with code {code}"}
                    for number, code in CARD_REFUSALS.items()
                ),
            ],
            "traits": [{"value": trait.upper(), "meaning": meaning} for trait, meaning in MEANINGS.items()],
            "refusal_codes": [{"value": code, "meaning": meaning} for code, meaning in REFUSALS.items()],
            "verbs": list(VERBS),
            "journals": list(JOURNALS),
            "faults": list(get_args(ReplyFault)),
            "notification_faults": list(get_args(NotificationFault)),
            "pages": list(PAGES),
            "page_faults": list(get_args(PageFault)),
            "clock_scale": self._clock.scale,
            "pending_knobs": self._scenario.replies.pending(),
            "pending_notifications": self._scenario.notifications.pending(),
            "pending_bookings": self._scenario.bookings.pending(),
            "pending_orders": self._scenario.orders.pending(),
            "pending_pages": self._scenario.pages.pending(),
            "open_plans": self._plans.open_count(),
            "open_notifications": self._outgoing.open_count(),
            "incidents": self._fault_record.counts(),
        }


def _turn(knobs: Knobs[K], wanted: K | list[K]) -> None:
    for knob in _listed(wanted):
        knobs.turn(knob)


def _listed(wanted: T | list[T]) -> Sequence[T]:
    return wanted if isinstance(wanted, list) else [wanted]
