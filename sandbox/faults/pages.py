"""Faults of the pages that the shopper's browser loads from the provider and the issuer."""

import asyncio

from starlette.responses import HTMLResponse, Response
from starlette.types import Receive, Scope, Send

from sandbox.faults.fault_settings import Knobs, PageKnob
from sandbox.faults.kinds import Page, PageFault
from sandbox.faults.record import FaultRecord

HTML = (
    "<!DOCTYPE html><html><head><title>Sorry</title></head><body><h1>Scheduled maintenance</h1></body></html>"
)


class Silence(Response):
    """No reply, until the client disconnects."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope, send
        await gone(receive)


class PageFaults:
    def __init__(self, knobs: Knobs[PageKnob], fault_record: FaultRecord) -> None:
        self._knobs = knobs
        self._fault_record = fault_record

    async def strike(self, page: Page, order_code: str = "") -> PageFault | Response | None:
        """Return the fault of a page, after its delay, or a response if that is to be sent instead."""
        struck = self._knobs.strike(page)
        if struck is None:
            return None
        knob, _ = struck
        with self._fault_record.connection:
            self._fault_record.note(order_code, page, knob.fault or "delay")
        await asyncio.sleep(knob.delay_ms / 1000)
        match knob.fault:
            case "hang":
                return Silence()
            case "503":
                return HTMLResponse(HTML, status_code=503)
            case fault:
                return fault


async def gone(receive: Receive) -> None:
    """Wait until the client disconnects."""
    while (await receive())["type"] != "http.disconnect":
        pass
