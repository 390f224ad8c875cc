"""Execution of plans when they are due, like the overnight run of a bank."""

import time

from sandbox.bank.bookings import Bookings
from sandbox.books.books import Books
from sandbox.books.plans import Plans
from sandbox.changes import ChangeSignal, changed_within


class Clearing:
    """The execution of plans. Plans that were open when the sandbox stopped are carried out later."""

    def __init__(self, books: Books, plans: Plans, bookings: Bookings, changes: ChangeSignal) -> None:
        self._books = books
        self._plans = plans
        self._bookings = bookings
        self._changes = changes

    async def run(self) -> None:
        """Run until cancelled."""
        done = 0
        with self._changes.listening() as changed:
            while True:
                changed.clear()
                done = self._plans.done_up_to(done)
                plan = self._plans.next_due(after=done)
                if plan is None:
                    await changed.wait()
                    continue
                early = self._plans.due(plan) - time.time()
                if early > 0:
                    await changed_within(changed, early)
                    continue
                with self._books.connection:
                    self._bookings.carry_out(plan)
                self._changes.notify()
