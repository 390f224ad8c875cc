"""The pages that lead to all others, and what the merchant's card form loads from here."""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from sandbox.bank.cards import CardKey
from sandbox.configuration import Configuration
from sandbox.pages import Pages, json_text

STATIC = Path(__file__).resolve().parent / "static"


class Home:
    """The start page, the health check, and the encryption script with its key."""

    def __init__(self, configuration: Configuration, card_key: CardKey, pages: Pages) -> None:
        self._configuration = configuration
        self._card_key = card_key
        self._pages = pages
        self._script = (STATIC / "worldpay-cse.js").read_text(encoding="utf-8")

    async def index(self, request: Request) -> Response:
        """Return the start page."""
        del request
        return self._pages.render("index.html", {"configuration": self._configuration})

    async def live(self, request: Request) -> Response:
        """Return 200: the program is alive."""
        del request
        return JSONResponse({"status": "ok"})

    async def public_key(self, request: Request) -> Response:
        """Return the key by itself."""
        del request
        return PlainTextResponse(self._card_key.public)

    async def encryption_script(self, request: Request) -> Response:
        """Return the script including the key, which is made at the first start and need not be copied."""
        del request
        script = f"{self._script}Worldpay.setPublicKey({json_text(self._card_key.public)});\n"
        # A browser compares a script with its digest only if the script's host lets the page read it (CORS).
        return Response(script, media_type="text/javascript", headers={"Access-Control-Allow-Origin": "*"})
