"""uvicorn's HTTP with an orderly end, for ``uvicorn --http payments_gateway.server:OrderlyProtocol``."""

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# How long a client that is connected may still begin a request.
FAREWELL_SECONDS = 1.0


class OrderlyProtocol(HttpToolsProtocol):
    """At SIGTERM a request that is on its way is answered, and its connection closed behind the answer.

    uvicorn itself closes every connection without a request at once: whoever has just connected, or is
    sending the next request, would find the connection reset and not know what became of it.
    """

    _is_leaving = False

    def shutdown(self) -> None:
        """See uvicorn, which waits for the last connection to end."""
        if getattr(self.cycle, "response_complete", True):
            self._is_leaving = True
            self.loop.call_later(FAREWELL_SECONDS, super().shutdown)
        else:
            super().shutdown()

    def on_headers_complete(self) -> None:
        """See httptools."""
        super().on_headers_complete()
        if self._is_leaving and self.cycle is not None:
            self.cycle.keep_alive = False
