"""Books captures and refunds some time after they were asked for, as the overnight run of a bank does."""

import time

from checkout.sandbox.bell import Bell, rung_within
from checkout.sandbox.books import Books, Entry, Kind
from checkout.sandbox.clock import Clock
from checkout.sandbox.configuration import Configuration
from checkout.sandbox.incidents import Incidents
from checkout.sandbox.knobs import BookingKnob, Knobs
from checkout.sandbox.orders import fold
from checkout.sandbox.outgoing import Outgoing

BOOKINGS = {Kind.CAPTURE_REQUESTED: Kind.CAPTURED, Kind.REFUND_REQUESTED: Kind.REFUNDED}


class Clearing:
    """Requests are booked in the order they came in; what a stop left over is booked after the next start."""

    def __init__(
        self,
        books: Books,
        outgoing: Outgoing,
        knobs: Knobs[BookingKnob],
        incidents: Incidents,
        configuration: Configuration,
        clock: Clock,
        bell: Bell,
    ) -> None:
        self._books = books
        self._outgoing = outgoing
        self._knobs = knobs
        self._incidents = incidents
        self._delay_seconds = configuration.settle_seconds
        self._clock = clock
        self._bell = bell

    async def run(self) -> None:
        """Runs until cancelled."""
        done = 0
        with self._bell.listening() as rung:
            while True:
                rung.clear()
                request = self._books.next_unsettled(after=done)
                if request is None:
                    await rung.wait()
                    continue
                early = request.at + self._clock.seconds(self._delay_seconds) - time.time()
                if early > 0:
                    await rung_within(rung, early)
                    continue
                self._book(request)
                done = request.id
                self._bell.ring()

    def _book(self, request: Entry) -> None:
        kind = BOOKINGS[request.kind]
        with self._books.connection:
            if self._knobs.strike(kind.value.upper()):
                kind = Kind.REFUND_FAILED
                self._incidents.note(request.order_code, "booking", kind)
            self._books.append(
                request.order_code,
                kind,
                amount=request.amount,
                reference=request.reference,
                settles=request.id,
            )
            order = fold(self._books.entries(request.order_code))
            if order is not None:
                self._outgoing.announce(order, kind.value.upper(), request.amount, request.reference)
