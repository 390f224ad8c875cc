"""The phases of reading a request."""

from enum import Enum, auto


class Phase(Enum):
    """The parser's position in the client's data."""

    BETWEEN = auto()
    HEAD = auto()
    BODY = auto()
    UPGRADE = auto()  # a WebSocket's handshake has arrived
    OVER = auto()  # nothing more is read
