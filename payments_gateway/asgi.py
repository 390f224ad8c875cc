"""The web process: HTTP and WebSockets, static files, and the start and end of its other tasks."""

import os
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, nullcontext
from typing import Any

import django
from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.exceptions import ImproperlyConfigured
from starlette.routing import Mount, Router

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "payments_gateway.settings")
django.setup()

from checkout.backoffice.log_in import log_in  # noqa: E402
from checkout.conf import conf  # noqa: E402
from checkout.database.owners import databases  # noqa: E402
from checkout.languages import load_catalogues  # noqa: E402
from checkout.log_lines import payment_in  # noqa: E402
from checkout.privacy.scrubbing import scrub_text  # noqa: E402
from checkout.running import embedded  # noqa: E402
from checkout.running.observing import Counts, observed  # noqa: E402
from checkout.running.readiness import require_ready  # noqa: E402
from checkout.web import pending_publishes  # noqa: E402
from checkout.web.protection.captcha import captcha_error  # noqa: E402
from checkout.web.protection.card_guard import CardNumberGuardMiddleware  # noqa: E402
from checkout.web.routing import websocket_urlpatterns  # noqa: E402
from messaging.concurrency.database import in_thread  # noqa: E402
from messaging.registry import close_brokers, get_broker  # noqa: E402
from payments_gateway import urls  # noqa: E402, F401  otherwise the first request would wait for all pages
from payments_gateway.serving.async_handler import HeldRequestHandler  # noqa: E402
from payments_gateway.serving.body_limit import BodyLimit  # noqa: E402
from payments_gateway.serving.concurrency_limit import ConcurrencyLimit  # noqa: E402
from payments_gateway.serving.page_handler import PageHandler, log_ins, pages  # noqa: E402
from payments_gateway.serving.process import gc_tuning  # noqa: E402
from payments_gateway.serving.process.graceful_shutdown import drain  # noqa: E402
from payments_gateway.serving.process.memory import give_freed_memory_back  # noqa: E402
from payments_gateway.serving.process.signals import announced  # noqa: E402
from payments_gateway.serving.process.templates import load_templates  # noqa: E402
from payments_gateway.serving.scope import MATCH, Receive, Scope, Send  # noqa: E402
from payments_gateway.serving.security.plain_headers import PlainHeaders  # noqa: E402
from payments_gateway.serving.security.web_origin import OwnPagesOnly  # noqa: E402
from payments_gateway.serving.static_files import StaticFilesOfApplications, use_few_threads  # noqa: E402
from payments_gateway.serving.views import is_on_event_loop  # noqa: E402

held = HeldRequestHandler(guard=CardNumberGuardMiddleware, scrub=scrub_text, describe=payment_in)


@asynccontextmanager
async def lifespan(_application: Any) -> AsyncIterator[None]:
    """Begin to connect to the broker before the first request; disconnect after the last one.

    The shutdown begins at the signal, while the server still accepts connections
    (``payments_gateway.serving.process.graceful_shutdown``).
    """
    use_few_threads()
    broker = get_broker()
    broker.open()
    with drain.ends(broker.reply_queue.stop_waiting):
        try:
            ends = announced(drain.begin, seconds=conf.drain_seconds)
            with ends, observed(programs(), broker, IN_PROGRESS):
                async with embedded.running() if conf.is_in_memory else nullcontext():
                    yield
        finally:
            drain.begin()  # a server may stop without a signal
            await pending_publishes.flush()
            await close_brokers()
            drain.reset()


def programs() -> list[str]:
    """Return the programs that run in this process: web and, with the broker in memory, all others."""
    return ["web", *embedded.PROGRAMS] if conf.is_in_memory else ["web"]


by_protocol: Any = ProtocolTypeRouter(
    {
        "http": PageHandler(is_known=log_in.is_known, refuse=held, describe=payment_in),
        "websocket": OwnPagesOnly(URLRouter(websocket_urlpatterns)),
    }
)

static_files: Any = StaticFilesOfApplications()
router: Any = Router(
    routes=[Mount(conf.static_path, app=static_files)],
    default=by_protocol,
    redirect_slashes=False,
    lifespan=lifespan,
)


async def start(scope: Scope, receive: Receive, send: Send) -> None:
    """Run the lifespan. If the process may not start, say so in one line, without the server's traceback."""
    try:
        await in_thread(require_ready_web)
    except ImproperlyConfigured as error:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": str(error)})
        return
    await router(scope, receive, send)


def require_ready_web() -> None:
    """Check that this process has what it needs. Raises ImproperlyConfigured with a sentence."""
    if fault := captcha_error():
        raise ImproperlyConfigured(fault)
    require_ready("web", databases=databases())


def by_cycle(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
    """Choose a request cycle by the mark of the view. Static files have no view."""
    if scope["type"] == "lifespan":
        return start(scope, receive, send)
    application = held if is_on_event_loop(scope.get(MATCH)) else router
    return application(scope, receive, send)


load_templates()
load_catalogues()
gc_tuning.freeze()
give_freed_memory_back()
application = ConcurrencyLimit(
    BodyLimit(PlainHeaders(by_cycle), max_bytes=conf.max_body_bytes, read_seconds=conf.body_seconds)
)
IN_PROGRESS: Counts = {
    "held_requests": lambda: application.requests.total,
    "sockets": lambda: application.sockets.total,
    "pages": lambda: pages.length,
    "log_ins": lambda: log_ins.length,
}
