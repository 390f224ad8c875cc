"""The level of the log lines that Django writes about answers."""

import logging

UNAVAILABLE = 503


class UnavailableIsNoError(logging.Filter):
    """A filter that makes the line about an answer 503 one of the level INFO.

    Such an answer says that database or broker is away, which is an error once, or that a process begins or
    ends. During an outage, and at each restart, there is one for each request, and one for each look at
    ``/readyz``: they would hide the lines that need somebody.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Return True: every line is kept."""
        if getattr(record, "status_code", None) == UNAVAILABLE:
            record.levelno, record.levelname = logging.INFO, logging.getLevelName(logging.INFO)
        return True
