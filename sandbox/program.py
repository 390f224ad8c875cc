"""Assembly and start of the sandbox."""

import asyncio
import logging
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from sandbox.bank.acquirer import Acquirer
from sandbox.bank.bookings import Bookings
from sandbox.bank.cards import CardKey
from sandbox.bank.clearing import Clearing
from sandbox.bank.disputes import Disputes
from sandbox.bank.modifications import Modifications
from sandbox.bank.portal import Portal
from sandbox.bank.tokens import Tokens
from sandbox.books.books import Books
from sandbox.books.plans import Plans
from sandbox.books_json import Statement
from sandbox.changes import ChangeSignal
from sandbox.clock import Clock
from sandbox.configuration import Configuration
from sandbox.console import Console
from sandbox.faults.connections import Connection
from sandbox.faults.fault_settings import Scenario
from sandbox.faults.pages import PageFaults
from sandbox.faults.record import FaultRecord
from sandbox.home import STATIC, Home
from sandbox.issuer.acs import AccessControlServer
from sandbox.issuer.three_ds import ThreeDsServer
from sandbox.notifications.notifier import Notifier
from sandbox.notifications.outgoing import LINE_NAMES, Outgoing
from sandbox.pages import Pages
from sandbox.storage import open_storage
from sandbox.wpg.endpoint import Wpg
from sandbox.wpg.fault_injection import FaultInjection
from sandbox.wpg.idempotency import AnsweredRequests

# Replies that are held back, perhaps for ever, must not delay the end of the process.
GRACE_SECONDS = 1
PAUSE_SECONDS = 1
LOG = logging.getLogger("sandbox")
# A proxy's headers would replace the addresses by which faults find the connection of a request.
SERVER_OPTIONS: dict[str, Any] = {
    "http": Connection,
    "proxy_headers": False,
    "timeout_graceful_shutdown": GRACE_SECONDS,
}


def build(configuration: Configuration, folder: Path) -> Starlette:
    """Return the application. Build it on the thread that serves it.

    The books and the key are kept in `folder` if the configuration names no file.
    """
    file = configuration.books or folder / "books.sqlite3"
    connection = open_storage(file)
    changes, pages = ChangeSignal(), Pages(configuration.url)
    clock = Clock(configuration.clock_scale, changes)
    scenario, fault_record, books = Scenario(), FaultRecord(connection), Books(connection)
    plans = Plans(connection, configuration, clock)
    outgoing = Outgoing(connection, scenario.notifications, fault_record)
    card_key = CardKey(file.with_suffix(".key.pem"))
    # Kept with the books, so that after a restart a card that is saved again gets the same token.
    seed = configuration.seed or card_key.seed
    tokens = Tokens(connection, seed, timedelta(days=configuration.token_days))
    bookings = Bookings(books, plans, outgoing, scenario.bookings, fault_record, seed)
    acquirer = Acquirer(books, tokens, bookings, outgoing, scenario.orders, configuration, clock, seed)
    modifications = Modifications(acquirer, books, bookings, outgoing)
    notifies = bool(configuration.notification_url)
    fault_injection = FaultInjection(
        scenario.replies, fault_record, books, outgoing, changes, notifies=notifies
    )
    answered = AnsweredRequests(connection, configuration, clock)
    wpg = Wpg(
        acquirer,
        modifications,
        answered,
        books,
        card_key,
        tokens,
        fault_injection,
        changes,
        configuration,
        pages,
    )
    page_faults = PageFaults(scenario.pages, fault_record)
    three_ds = ThreeDsServer(books, page_faults, configuration, pages)
    acs = AccessControlServer(books, acquirer, page_faults, configuration, pages)
    statement = Statement(books, outgoing, fault_record)
    disputes = Disputes(books, outgoing, changes)
    portal = Portal(books, modifications, changes)
    console = Console(
        scenario, disputes, portal, plans, outgoing, clock, fault_record, pages, changes, configuration.url
    )
    home = Home(configuration, card_key, pages)

    async def on_http_exception(request: Request, error: Exception) -> Response:
        del request
        status = error.status_code if isinstance(error, HTTPException) else 500
        reason = error.detail if isinstance(error, HTTPException) else "Something went wrong"
        return pages.problem(reason, status)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        del app
        runs = [Clearing(books, plans, bookings, changes).run]
        if notifies:
            for line in LINE_NAMES:
                runs.append(Notifier(line, outgoing, configuration, clock, changes).run)
        tasks = [asyncio.create_task(_kept_running(run)) for run in runs]
        yield
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        connection.close()

    return Starlette(
        routes=[
            Route("/", home.index),
            Route("/livez", home.live),
            Route("/books.json", statement.show),
            Route("/scenarios/", console.show, methods=["GET", "POST"]),
            Route("/worldpay/jsp/merchant/xml/paymentService.jsp", wpg.payment_service, methods=["POST"]),
            Route("/worldpay/shopper/3ds/ddc.html", three_ds.device_data, methods=["POST"]),
            Route("/worldpay/shopper/3ds/challenge.html", three_ds.challenge, methods=["POST"]),
            Route("/worldpay/shopper/3ds/return.html", three_ds.challenge_return, methods=["POST"]),
            Route("/worldpay/cse/worldpay-cse.js", home.encryption_script),
            Route("/worldpay/cse/public-key.txt", home.public_key),
            Route("/acs/challenge/", acs.challenge, methods=["POST"]),
            Route("/acs/challenge/decision/", acs.decision, methods=["POST"]),
            Mount("/static", StaticFiles(directory=STATIC)),
        ],
        exception_handlers={HTTPException: on_http_exception, Exception: on_http_exception},
        lifespan=lifespan,
    )


async def _kept_running(run: Callable[[], Awaitable[None]]) -> None:
    """Restart a background task whenever it fails, for example because another program locks the books."""
    while True:
        try:
            await run()
        except Exception:
            LOG.exception("A background task of the sandbox failed and starts again.")
            await asyncio.sleep(PAUSE_SECONDS)


def serve(configuration: Configuration) -> None:
    """Serve until interrupted."""
    with tempfile.TemporaryDirectory(prefix="sandbox-") as folder:
        uvicorn.run(
            build(configuration, Path(folder)),
            host=configuration.host,
            port=configuration.port,
            access_log=False,
            **SERVER_OPTIONS,
        )
