"""The requests and error messages of a browser during a purchase."""

from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Request, WebSocket


class Traffic:
    """A record of all pages of a context. ``sites`` are the allowed hosts with their ports."""

    def __init__(self, context: BrowserContext, *sites: str) -> None:
        self.requests: list[Request] = []
        self.complaints: list[str] = []
        self._story: list[str] = []
        self._sites = {urlsplit(site).netloc for site in sites}
        self._hosts: set[str] = set()
        context.on("page", self._watch)
        context.on("request", self._note)
        context.on("response", lambda response: self._story.append(f"{response.status} {response.url}"))
        context.on("requestfailed", lambda request: self._story.append(f"{request.failure} {request.url}"))
        context.on("console", self._listen)
        context.on("weberror", lambda error: self.complaints.append(str(error.error)))

    def check(self) -> None:
        """Check that no script failed, no policy was violated, and no request went to another site."""
        assert not self.complaints
        assert self._hosts <= self._sites

    def tell(self) -> None:
        """Print requests and answers in order. pytest shows them if the test fails."""
        print("What the browser saw:", *self._story, sep="\n    ")

    def _watch(self, page: Page) -> None:
        page.on("websocket", self._note_socket)

    def _note(self, request: Request) -> None:
        self.requests.append(request)
        self._story.append(f"{request.method} {request.url}")
        if request.url.startswith("http"):
            self._hosts.add(urlsplit(request.url).netloc)

    def _note_socket(self, socket: WebSocket) -> None:
        self._hosts.add(urlsplit(socket.url).netloc)

    def _listen(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.text} ({message.location['url']})")
