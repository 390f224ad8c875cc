"""Health checks: one of the event loop, and one of the database and the broker."""

import asyncio

from django.db import DatabaseError, InterfaceError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse

from checkout.version import VERSION
from checkout.web.views.page import page
from messaging.concurrency.database import in_thread
from messaging.registry import get_broker
from payments_gateway.serving.process.graceful_shutdown import drain
from payments_gateway.serving.views import for_programs, on_event_loop

CHECK_SECONDS = 2.0


@for_programs
@on_event_loop
@page("GET", "HEAD")
async def live(request: HttpRequest) -> HttpResponse:
    """Answer with the version as long as the event loop runs."""
    return JsonResponse({"status": "ok", "version": VERSION})


@for_programs
@on_event_loop
@page("GET", "HEAD")
async def ready(request: HttpRequest) -> HttpResponse:
    """Answer 200 if the database and the broker can be reached, or 503 with the name of what cannot.

    Answer 503 as well if the process is about to end, so that a load balancer sends no more requests.
    """
    if drain.has_begun:
        return JsonResponse({"status": "ending", "missing": []}, status=503)
    missing = []
    if not await _database_answers():
        missing.append("database")
    if not get_broker().is_connected:
        missing.append("broker")
    if missing:
        return JsonResponse({"status": "unavailable", "missing": missing}, status=503)
    return JsonResponse({"status": "ok", "missing": []})


async def _database_answers() -> bool:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await in_thread(_ask_database)
    except (DatabaseError, InterfaceError, TimeoutError):
        return False
    return True


def _ask_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
