"""Rendering of the sandbox's own pages and reading of its forms, both with limits."""

import json
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qsl

from django.template import Context, Engine
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse

MAX_BODY_BYTES = 256 * 1024
TEMPLATES = Path(__file__).resolve().parent / "templates"


class Pages:
    """The pages of the sandbox, which use no scripts and styles except its own files."""

    def __init__(self, url: str) -> None:
        self._engine = Engine(dirs=[str(TEMPLATES)])
        self._url = url

    def render(
        self, template: str, context: Mapping[str, object], *, status: int = 200, may_be_framed: bool = False
    ) -> HTMLResponse:
        """Return a page. `may_be_framed` allows any site to frame it, as the challenge pages must."""
        html = self._engine.get_template(f"sandbox/{template}").render(Context({"url": self._url, **context}))
        ancestors = "*" if may_be_framed else "'none'"
        return HTMLResponse(
            html,
            status_code=status,
            headers={
                "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self';"
                f" img-src 'self'; base-uri 'none'; frame-ancestors {ancestors}",
                "Cache-Control": "no-store",
                "Referrer-Policy": "no-referrer",
                "X-Content-Type-Options": "nosniff",
            },
        )

    def problem(self, reason: str, status: int = 400) -> HTMLResponse:
        """Return an error page. It may be framed, because framed pages can fail, too."""
        return self.render("problem.html", {"reason": reason}, status=status, may_be_framed=True)

    def forward(
        self, action: str, fields: Mapping[str, str], purpose: str, *, method: str = "post"
    ) -> HTMLResponse:
        """Return a page that posts `fields` to `action` by itself, or by its button without JavaScript."""
        context = {"action": action, "fields": list(fields.items()), "purpose": purpose, "method": method}
        return self.render("forward.html", context, may_be_framed=True)


async def read_body(request: Request) -> bytes:
    """Read a body. Raises HTTPException (413) for more than MAX_BODY_BYTES."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise HTTPException(413, f"The body is larger than {MAX_BODY_BYTES} bytes")
    return bytes(body)


async def read_form(request: Request) -> dict[str, str]:
    """Return the fields of a URL-encoded form. Raises HTTPException: 413 too large, 400 another type."""
    try:
        text = (await read_body(request)).decode()
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=20, errors="strict"))
    except ValueError as error:
        raise HTTPException(400, "The form cannot be read") from error


def json_text(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))
