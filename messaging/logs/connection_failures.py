"""A filter for the lines that pika logs about connections. It must not import pika, which may be absent."""

import logging

# These lines repeat what pika tells its caller. The supervisor of the connection logs the reason.
_ABOUT_CONNECTIONS = ("pika.adapters.", "pika.connection")


class WithoutConnectionFailures(logging.Filter):
    """A filter that drops pika's errors about a connection that failed or was lost.

    There are five of them for each attempt to connect, for as long as the broker is away. An error of any
    other kind, which a callback may have raised, is kept with its traceback.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Return True if the line is to be written."""
        if record.levelno != logging.ERROR or not record.name.startswith(_ABOUT_CONNECTIONS):
            return True
        error = record.exc_info[1] if record.exc_info else None
        return not (error is None or isinstance(error, OSError) or _is_of_pika(error))


def _is_of_pika(error: BaseException) -> bool:
    return type(error).__module__ == "pika.exceptions"
