"""The scenarios page: the magic values, and the knobs to turn."""

from typing import Annotated, Any, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from checkout.sandbox.clock import Clock
from checkout.sandbox.incidents import Incidents
from checkout.sandbox.knobs import (
    VERBS,
    BookingKnob,
    Journal,
    K,
    Knobs,
    NotificationFault,
    NotificationKnob,
    ReplyFault,
    ReplyKnob,
)
from checkout.sandbox.pages import Pages, read_body
from checkout.sandbox.scenarios import CARD_AUTHENTICATIONS, CARD_REFUSALS, HOLDER_AUTHENTICATIONS, REFUSALS


class Setting(BaseModel):
    """What may be posted to the scenarios page. A reset happens before anything is set."""

    model_config = ConfigDict(extra="forbid")

    reset: bool = False
    knob: ReplyKnob | list[ReplyKnob] = Field(default_factory=list)
    booking: BookingKnob | list[BookingKnob] = Field(default_factory=list)
    notification: NotificationKnob | list[NotificationKnob] = Field(default_factory=list)
    clock_scale: Annotated[float, Field(gt=0)] | None = None


class Console:
    def __init__(
        self,
        reply_knobs: Knobs[ReplyKnob],
        notification_knobs: Knobs[NotificationKnob],
        booking_knobs: Knobs[BookingKnob],
        clock: Clock,
        incidents: Incidents,
        pages: Pages,
    ) -> None:
        self._reply_knobs = reply_knobs
        self._notification_knobs = notification_knobs
        self._booking_knobs = booking_knobs
        self._clock = clock
        self._incidents = incidents
        self._pages = pages

    async def show(self, request: Request) -> Response:
        """GET lists, POST sets. JSON for whoever accepts it, a page for browsers."""
        if request.method == "POST":
            try:
                self._set(Setting.model_validate_json(await read_body(request)))
            except ValidationError as error:
                problems = error.errors(include_url=False, include_context=False, include_input=False)
                return JSONResponse({"errors": problems}, status_code=400)
        listing = self._listing()
        if request.method == "GET" and "text/html" in request.headers.get("accept", ""):
            return self._pages.render("scenarios.html", listing)
        return JSONResponse(listing)

    def _set(self, setting: Setting) -> None:
        if setting.reset:
            self._reply_knobs.reset()
            self._notification_knobs.reset()
            self._booking_knobs.reset()
            self._clock.reset()
        _turn(self._reply_knobs, setting.knob)
        _turn(self._notification_knobs, setting.notification)
        _turn(self._booking_knobs, setting.booking)
        if setting.clock_scale:
            self._clock.run_at(setting.clock_scale)

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
            "journals": list(get_args(Journal)),
            "faults": list(get_args(ReplyFault)),
            "notification_faults": list(get_args(NotificationFault)),
            "clock_scale": self._clock.scale,
            "pending_knobs": self._reply_knobs.pending(),
            "pending_notifications": self._notification_knobs.pending(),
            "pending_bookings": self._booking_knobs.pending(),
            "incidents": self._incidents.counts(),
        }


def _turn(knobs: Knobs[K], wanted: K | list[K]) -> None:
    for knob in wanted if isinstance(wanted, list) else [wanted]:
        knobs.turn(knob)
