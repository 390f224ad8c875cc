"""Static files, read directly from each application's folder, with the headers that all responses have."""

from pathlib import Path

from anyio.to_thread import current_default_thread_limiter
from django.apps import apps
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.staticfiles import StaticFiles

from payments_gateway.serving.scope import Message, Receive, Scope, Send
from payments_gateway.serving.security.headers import strict_headers

# Files are small, and nearly always in memory. With Starlette's 40 threads for them, clients that fetch many
# files at once and read slowly would leave 40 threads behind, with the memory that each has touched.
THREADS = 4


def use_few_threads() -> None:
    """Limit the number of threads that read files for this event loop."""
    current_default_thread_limiter().total_tokens = THREADS


class StaticFilesOfApplications:
    """A server of the folder ``static`` of every application. The files need not be collected first."""

    def __init__(self) -> None:
        folders: list[str | tuple[str, str]] = [
            (app.name, "static") for app in apps.get_app_configs() if (Path(app.path) / "static").is_dir()
        ]
        self._files = ExceptionMiddleware(StaticFiles(packages=folders))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *strict_headers()]}
            await send(message)

        await self._files(scope, receive, send_with_headers)  # type: ignore[arg-type]
