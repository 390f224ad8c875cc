"""The entries that this package adds to a request's ASGI scope, and the types of ASGI's functions."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Protocol

Scope = dict[str, Any]
Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Any, Any, Any], Awaitable[None]]  # frameworks disagree on how to type these three

# The ``ResolverMatch`` of the address; missing if no view has it (``views.resolve``).
MATCH = "serving.match"
# The ``Problem`` for which the request is refused, so that its body is not read. The application answers it.
REFUSED = "serving.refused"
# The whole body, a ``bytearray``, if it arrived before the application begins. The reader empties it.
ARRIVED = "serving.arrived_body"
# A list of callbacks that the server calls when the client disconnects. A request removes its own callback
# when it ends.
WHEN_LEFT = "serving.when_left"
# The server's ``Answer``.
ANSWER = "serving.answer"
Header = tuple[bytes, bytes]


class Answer(Protocol):
    """Send a whole response at once, with its Content-Length. Return False if that is not possible.

    The ``usual`` headers, which many responses have, come before the others.
    """

    def __call__(
        self,
        send: Send,
        status: int,
        headers: Iterable[Header],
        body: bytes,
        usual: tuple[Header, ...] = (),
    ) -> bool: ...
