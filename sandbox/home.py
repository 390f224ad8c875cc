"""The pages that link to all others, and the files that the merchant's card form loads from here."""

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
        """Return the sandbox's public key."""
        del request
        return PlainTextResponse(self._card_key.public)

    async def encryption_script(self, request: Request) -> Response:
        """Return the encryption script with this sandbox's key, so that nobody has to copy the key."""
        del request
        script = f"{self._script}Worldpay.setPublicKey({json_text(self._card_key.public)});\n"
        # A browser checks the digest of a script only if the script's host lets the page read it (CORS).
        return Response(script, media_type="text/javascript", headers={"Access-Control-Allow-Origin": "*"})
