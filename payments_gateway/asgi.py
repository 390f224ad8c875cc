"""The web process: HTTP and WebSockets, static files, and the start and end of what runs beside them."""

import os
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any

from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.apps import apps
from django.core.asgi import get_asgi_application
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.routing import Mount, Router
from starlette.staticfiles import StaticFiles

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "payments_gateway.settings")
everything_else = get_asgi_application()

from checkout import embedded, garbage, kept_submissions  # noqa: E402  they need Django to be set up
from checkout.admission import Admission  # noqa: E402
from checkout.conf import conf  # noqa: E402
from checkout.draining import drain  # noqa: E402
from checkout.held import PATHS, HeldRequestHandler  # noqa: E402
from checkout.limits import BodyLimit, Receive, Scope, Send  # noqa: E402
from checkout.messaging.broker import close_brokers, get_broker  # noqa: E402
from checkout.routing import websocket_urlpatterns  # noqa: E402
from payments_gateway.signals import announced  # noqa: E402

held = HeldRequestHandler()


@asynccontextmanager
async def lifespan(_application: Any) -> AsyncIterator[None]:
    """Connect to the broker before the first request, without waiting for it; disconnect after the last.

    The end begins at the signal, while the server still takes connections (see ``checkout.draining``).
    """
    broker = get_broker()
    await broker.start()
    with drain.ends(broker.node.stop_waiting):
        try:
            with announced(drain.begin, seconds=conf.drain_seconds):
                async with embedded.running() if conf.is_embedded else nullcontext():
                    yield
        finally:
            drain.begin()  # a server may end without a signal
            await kept_submissions.say_farewell()
            await close_brokers()
            drain.reset()


# Straight from where each application keeps them: nothing has to be collected before the first start.
static_files = StaticFiles(
    packages=[(app.name, "static") for app in apps.get_app_configs() if (Path(app.path) / "static").is_dir()]
)

by_protocol: Any = ProtocolTypeRouter(
    {"http": everything_else, "websocket": AllowedHostsOriginValidator(URLRouter(websocket_urlpatterns))}
)

router: Any = Router(
    routes=[Mount("/static", app=ExceptionMiddleware(static_files))],
    default=by_protocol,
    redirect_slashes=False,
    lifespan=lifespan,
)


def by_cycle(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
    """One of two request cycles. What is held is known by its path and needs no routing before Django's."""
    application = held if scope["type"] == "http" and scope["path"].startswith(PATHS) else router
    return application(scope, receive, send)


garbage.leave_the_program_alone()
application = Admission(BodyLimit(by_cycle, max_bytes=conf.max_body_bytes, read_seconds=conf.body_seconds))
