"""The level of the log lines that Django writes about error responses."""

import logging

UNAVAILABLE = 503


class UnavailableIsNoError(logging.Filter):
    """A filter that gives the line about a 503 response the level INFO.

    Such a response means that the database or the broker is away, which is logged once as an error, or that a
    process starts or stops. During an outage, and at each restart, every request and every check of
    ``/readyz`` would write such a line, and hide the lines that need somebody.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Return True: every line is kept."""
        if getattr(record, "status_code", None) == UNAVAILABLE:
            record.levelno, record.levelname = logging.INFO, logging.getLevelName(logging.INFO)
        return True
