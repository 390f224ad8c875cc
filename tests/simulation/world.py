"""One schedule: its processes, people and bank, driven by the seed."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from django.db import OperationalError

from checkout.conf import conf
from checkout.payments.models import Difference, InboxMessage, OutboxMessage
from checkout.payments.sagas.orchestration import in_place
from checkout.running.relay import run_relay
from checkout.running.services import ORCHESTRATOR, SERVICES
from checkout.states import PaymentState
from messaging import crash_points
from messaging.concurrency.database import in_thread
from messaging.envelope import Envelope
from messaging.memory.server import MemoryServer
from messaging.topology import Topology
from messaging.worker.worker import Worker
from tests.simulation import invariants, logbook, network, threads
from tests.simulation.bank import Bank
from tests.simulation.chance import Chance
from tests.simulation.clerk import Clerk
from tests.simulation.clock import Clock
from tests.simulation.database.base import DatabaseWrapper
from tests.simulation.disputed_money import DisputedMoney
from tests.simulation.late_commits import LateCommits
from tests.simulation.listener import Listener
from tests.simulation.loop import VirtualLoop
from tests.simulation.network import UnreliableBroker
from tests.simulation.portal import PortalUser
from tests.simulation.processes import OUTSIDE, Crash, Process, current
from tests.simulation.program import Program
from tests.simulation.proof import ProofWatch
from tests.simulation.saved_cards import CardWatch
from tests.simulation.shopper import Shopper
from tests.simulation.staff import Staff
from tests.simulation.timetable import Timetable
from tests.simulation.trace import Trace
from tests.simulation.twin import Line
from tests.simulation.web import Unanswered, Web
from tests.support.broker_users import make_memory_users
from tests.support.memory_provider.books import OrderState
from tests.support.reconciling import reconcile

T = TypeVar("T")

HOUR = 3600.0
DAY = 24 * HOUR
LONGEST_SECONDS = 28 * DAY
STOCK = 10
# The share of schedules that the product's own reconciliation checks, too.
RECONCILED = 0.2
HEARTBEATS_SECONDS = 25.0
WEBS = ("web 1", "web 2")
# The bounds of the seconds for which a process is held up before it sends a capture or refund: long enough
# for another copy to be sent meanwhile, as the provider does not show the first one.
HELD_UP_SECONDS = (1500.0, 3 * HOUR)
JUST_COMMITTED = """
SELECT 1 FROM payments_providercall
WHERE outcome = '' AND verb IN ('capture', 'refund') AND started_at = ?
"""


class World:
    """Everything that belongs to one schedule. ``violations`` must stay empty."""

    def __init__(self, seed: int, clock: Clock, database: DatabaseWrapper) -> None:
        clock.move_to(0.0)
        self.seed = seed
        self.database = database
        self.rows = database.connection
        self.clock = clock
        self.chance = Chance(seed)
        self.trace = Trace(clock)
        self.stock = STOCK
        self.violations: list[str] = []
        self.poison: list[str] = []
        self.crashes: Counter[str] = Counter()
        self._ends: Counter[str] = Counter()
        self.loop = VirtualLoop(clock, Timetable(database, clock), LONGEST_SECONDS)
        self.loop.set_task_factory(_of_its_process)
        self.loop.set_exception_handler(self._on_error)
        self.disputed_money = DisputedMoney(self)
        self.bank = Bank(self)
        # The same card is saved again only if customers come again.
        weights = (1, 3, 2) if self.chance.has_customers else (18, 2, 1)
        shoppers = self.chance.one_of((1, 2, 3), weights)
        self.shoppers = [Shopper(self, number, self.chance.customer()) for number in range(1, shoppers + 1)]
        # The attempts whose shoppers want the card saved, and the orders whose charge was accepted.
        self.ticked: set[str] = set()
        self.charged: set[str] = set()
        self.staff = Staff(self)
        self.program = Program(self)
        self.cards = CardWatch(self)
        self.proof = ProofWatch(self)
        self.late_commits = LateCommits(self)
        self.listener = Listener(self.loop)
        self._webs: list[Web] = []
        self._processes: list[Process] = [OUTSIDE]
        OUTSIDE.tasks.clear()
        self._brokers: dict[Process, UnreliableBroker] = {}

    def run(self) -> None:
        """Run the schedule until nothing is left to do, then check it."""
        Line.world = self
        logbook.write_to(self.trace)
        crash_points.observe(self._reached)
        self.database.watch_commit = self._on_commit
        make_memory_users(network.URL, prefix=conf.prefix)
        self.listener.listen()
        options = {
            "captures_with_authorisation": "yes" if self.chance.captures_with_authorisation else "no",
            "remembers_keys": "yes" if self.chance.has_keys else "no",
            "identifies_events": "no" if self.chance.has_content_keys else "yes",
        }
        self.rows.execute("UPDATE payments_provideraccount SET options = ?", (json.dumps(options),))
        asyncio._set_running_loop(self.loop)
        for name in self._cast():
            self._start(name)
        for shopper in self.shoppers:
            self.later(self.chance.around(5), lambda shopper=shopper: self.spawn(shopper.run()))
            if self.chance.of(0.8):
                self.spawn(Clerk(self, shopper).run())
            if self.chance.has_portal:
                self.spawn(PortalUser(self, shopper).run())
        self.spawn(self.staff.run())
        if self.chance.has_customers:
            self.spawn(self.program.run())
        if self.chance.happens("poison"):
            self.later(self.chance.around(20), self._poison)
        asyncio._set_running_loop(None)
        asyncio.set_event_loop(self.loop)
        try:
            self._run_until_quiet()
            while self.loop.is_at_rest and self.staff.look_around():
                self._run_until_quiet()
            if self.loop.is_at_rest and (self.chance.of(RECONCILED) or self.chance.has_portal):
                self.violations += [
                    f"I5: reconciliation finds {found}"
                    for found in self._reconcile()
                    if not self._is_given_up(found)
                ]
            self.violations += self._found_at_rest()
            self._ends.update(state for (state,) in self.rows.execute("SELECT state FROM payments_payment"))
        finally:
            self._close()

    def _run_until_quiet(self) -> None:
        """Run until nothing is due, so that all open work must be waiting for staff."""
        self.loop.run_forever()
        if self.loop.is_at_rest:
            self.violations += invariants.check_waiting(self)
        self._compare_books_if_needed()

    def _compare_books_if_needed(self) -> None:
        """Compare the books, as the relay does every hour, so that staff see no differences that are over."""
        if self.chance.has_portal or self.bank.has_kept_silent or self.staff.sees_differences():
            self._reconcile()

    def _reconcile(self) -> list[Difference]:
        """Run the product's reconciliation, and return the differences."""
        self.chance.calm_down()
        self.clock.move_to(self.clock.now + HOUR)
        reconciling = self.loop.create_task(in_thread(reconcile))
        self.loop.run_until_complete(reconciling)
        return reconciling.result()

    def _is_given_up(self, found: Difference) -> bool:
        """Return True for a difference about an order that staff have to enter as one without a capture.

        The ledger lacks such an order, too, and is compared with the sums of all orders.
        """
        if found.payment is None:
            return False
        codes = {code for code in self.bank.given_up if code.startswith(f"{found.payment.reference}-")}
        return found.order_code in codes or (bool(codes) and found.kind.startswith("ledger_"))

    def _found_at_rest(self) -> list[str]:
        if not self.loop.is_at_rest:
            return ["I3: things go round in circles, or on for ever"]
        ended = [task for task in OUTSIDE.tasks if task.done() and not task.cancelled()]
        failed = [f"unexpected: {task!r}" for task in ended if task.exception() is not None]
        return [*failed, *invariants.check(self)]

    def _cast(self) -> list[str]:
        copies = {name: self.chance.one_of((1, 2), (2, 1)) for name in ("checkout", "payments", "relay")}
        names = [
            f"{name} {number}"
            for name in (*SERVICES, "relay")
            for number in range(1, copies.get(name, 1) + 1)
        ]
        return [*WEBS, *names]

    def _poison(self) -> None:
        """Send a message that no service understands, to a random service."""
        topology = Topology(conf.prefix)
        envelope = Envelope(type="nonsense", body=b"{}")
        self.trace.note("stranger", "poisons with", envelope.message_id)
        self.poison.append(envelope.message_id)
        MemoryServer.at(network.URL).route(topology.commands, self.chance.one_of(tuple(SERVICES)), envelope)

    def _start(self, name: str) -> None:
        process = Process(name)
        self._processes.append(process)
        process.run(self._boot, process)

    def _boot(self, process: Process) -> None:
        broker = UnreliableBroker(conf.prefix, process, self.chance, self.trace)
        self._brokers[process] = broker
        broker.open()
        kind = process.name.partition(" ")[0]
        stop = asyncio.Event()
        if kind == "web":
            self._webs.append(Web(self, process, broker))
        elif kind == "relay":
            process.spawn(run_relay(broker, stop))
        else:
            if kind == ORCHESTRATOR:
                names = self.chance.services_in_place()
                in_place.choose(SERVICES[name] for name in names)
                self.trace.note(process.name, "has in place", ", ".join(names) or "nothing")
            worker = Worker(broker, SERVICES[kind], inbox_model=InboxMessage, outbox_model=OutboxMessage)
            process.spawn(worker.run(stop))
        self.trace.note(process.name, "starts")

    def kill(self, process: Process, where: str) -> None:
        """Kill a process and schedule its restart."""
        self.trace.note(process.name, "dies at", where)
        self.crashes[where] += 1
        process.is_alive = False
        self._webs = [web for web in self._webs if web.process is not process]
        self._brokers.pop(process).leave()
        self.later(self.chance.between(0.5, 30), lambda: self._start(process.name))

    def _reached(self, point: str) -> None:
        process = current()
        if process is OUTSIDE or self.loop.is_closing:
            return
        self._perhaps_crash(process, point)
        if threads.is_in_thread() and self.chance.happens("stall"):
            seconds = self.chance.between(1, 400)
            self.trace.note(process.name, "stalls at", point, f"for {seconds:.0f} s")
            threads.pause(seconds)
        if point == "payments.intent_committed" and self._is_about_to_move():
            self._perhaps_hold_up(process)
        if self.chance.happens("freeze"):
            self._freeze(process)

    def _is_about_to_move(self) -> bool:
        """Return True if the intent of a capture or refund was just committed, and nothing was sent yet."""
        calls = self.rows.execute(JUST_COMMITTED, (self.clock.stored(),))
        return threads.is_in_thread() and calls.fetchone() is not None

    def _perhaps_hold_up(self, process: Process) -> None:
        """Perhaps hold a process up before it sends a request, until queries would have shown the request."""
        if self.chance.happens("held_up"):
            seconds = self.chance.seconds_of("held_up", *HELD_UP_SECONDS)
            self.trace.note(process.name, "is held up before a request", f"for {seconds:.0f} s")
            threads.pause(seconds)

    def _perhaps_crash(self, process: Process, where: str) -> None:
        if self.chance.happens("crash"):
            self.kill(process, where)
            raise Crash

    def _freeze(self, process: Process) -> None:
        """Stop a process for a while, as SIGSTOP does. A long stop makes the broker close its connection."""
        seconds = self.chance.between(1, 90)
        self.trace.note(process.name, "freezes", f"for {seconds:.0f} s")
        process.is_frozen = True
        broker = self._brokers[process]
        if seconds > HEARTBEATS_SECONDS:
            self.later(HEARTBEATS_SECONDS, broker.lose_connection)
        self.later(seconds, lambda: self._thaw(process, broker))

    def _thaw(self, process: Process, broker: UnreliableBroker) -> None:
        if process.is_alive:
            self.trace.note(process.name, "goes on")
            self.loop.thaw(process)
            broker.connect()

    def _on_commit(self, moment: str) -> None:
        if moment == "before":
            self.proof.transaction_ends()
        if self.loop.is_closing:
            raise Crash
        if current() is OUTSIDE:
            return
        if self.chance.happens("database_lost"):
            self.trace.note(current().name, "loses the database", moment, "commit")
            raise OperationalError(f"connection lost {moment} the commit")
        self._perhaps_crash(current(), f"{moment} commit")

    async def request(self, operation: Callable[[], T], *, point: str = "", sealed: str = "") -> T:
        """Send a request to a random web process. Raises ``Unanswered`` and the operation's exceptions."""
        await self.sleep(self.chance.moment())
        if not self._webs:
            raise Unanswered
        return self.chance.one_of(self._webs).handle(operation, point=point, sealed=sealed)

    def without_loop(self, function: Callable[[], T]) -> T:
        """Call ``function`` as in a thread, since Django refuses to work where an event loop runs."""
        asyncio._set_running_loop(None)
        try:
            return function()
        finally:
            asyncio._set_running_loop(self.loop)

    def state_of(self, reference: str) -> PaymentState:
        """Return the state that the payment's status page would show."""
        (state,) = self.rows.execute(
            "SELECT state FROM payments_payment WHERE reference = ?", (reference,)
        ).fetchone()
        return PaymentState(state)

    def ends(self) -> Counter[str]:
        """Return the number of payments in each final state."""
        return self._ends

    def told(self, reference: str, state: str) -> None:
        """Check a state that a web process received: no payment has failed while its money is authorised.

        The check reads the present state, since a late reply only makes the page read that state.
        """
        self.trace.note("web", "is told", reference, state)
        state = self.state_of(reference)
        if state in (PaymentState.REFUSED, PaymentState.EXPIRED):
            for order in self.bank.books.orders.values():
                if order.order_code.startswith(reference) and order.state == OrderState.AUTHORISED:
                    self.violations.append(
                        f"I6: {reference} was called {state}, and {order.order_code} is authorised"
                    )

    async def sleep(self, seconds: float) -> None:
        """Let virtual time pass."""
        await asyncio.sleep(seconds)

    def later(self, seconds: float, function: Callable[[], object]) -> None:
        """Call ``function`` outside of all processes after so many virtual seconds."""
        self.loop.call_later(seconds, function, context=OUTSIDE.context)

    def spawn(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        """Start a task outside of all processes."""
        OUTSIDE.spawn(coroutine)

    def _on_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if not self.loop.is_closing:
            error = context.get("exception")
            self.violations.append(f"unexpected: {context['message']}: {error!r}")

    def _close(self) -> None:
        """Unwind all unfinished tasks and threads, without letting them have effects."""
        self.loop.begin_closing()
        asyncio._set_running_loop(self.loop)
        for thread in list(self.loop.paused):
            thread.end()
        asyncio._set_running_loop(None)
        # While tasks are cancelled, a message may arrive and start new ones, so this is repeated.
        while under_way := [task for process in self._processes for task in process.tasks if not task.done()]:
            for task in under_way:
                task.cancel()
            self.loop.run_until_complete(asyncio.wait(under_way))
        for process in self._processes:
            for task in process.tasks:
                if not task.cancelled():
                    task.exception()
            process.tasks.clear()
        server = MemoryServer.at(network.URL)
        server.brokers.clear()
        for queue in list(server.queues):
            server.delete(queue)
        crash_points.observe(None)
        asyncio.set_event_loop(None)
        self.loop.close()


def _of_its_process(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
    task = asyncio.Task(coroutine, loop=loop, **options)
    current().tasks.append(task)
    return task
