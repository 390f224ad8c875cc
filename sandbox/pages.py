"""Rendering of the sandbox's own pages and reading of its forms, both within bounds."""

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
    """Pages carry no script and no style but the sandbox's own files."""

    def __init__(self, url: str) -> None:
        self._engine = Engine(dirs=[str(TEMPLATES)])
        self._url = url

    def render(
        self, template: str, context: Mapping[str, object], *, status: int = 200, may_be_framed: bool = False
    ) -> HTMLResponse:
        """`may_be_framed` lets any site show the page in a frame, as the challenge pages must allow."""
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
        """An error page. Framed pages fail too, so it may be framed."""
        return self.render("problem.html", {"reason": reason}, status=status, may_be_framed=True)

    def forward(self, action: str, fields: Mapping[str, str], purpose: str) -> HTMLResponse:
        """A page that posts `fields` to `action` by itself, or by its button where there is no JavaScript."""
        context = {"action": action, "fields": list(fields.items()), "purpose": purpose}
        return self.render("forward.html", context, may_be_framed=True)


async def read_body(request: Request) -> bytes:
    """Raises HTTPException (413) for more than MAX_BODY_BYTES."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise HTTPException(413, f"The body is larger than {MAX_BODY_BYTES} bytes")
    return bytes(body)


async def read_form(request: Request) -> dict[str, str]:
    """Fields of a URL-encoded form. Raises HTTPException: 413 too large, 400 not such a form."""
    try:
        text = (await read_body(request)).decode()
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=20, errors="strict"))
    except ValueError as error:
        raise HTTPException(400, "The form cannot be read") from error


def json_text(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))
