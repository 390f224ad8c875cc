"""The connection to the mail server, with a longer time-out for the answer to an e-mail's text."""

import smtplib
from typing import Any

from django.core.mail.backends import smtp

# A mail server may take minutes to check a text, and deliver the e-mail although its client has given up. RFC
# 5321 (section 4.5.3.2.6) recommends ten minutes. Half of that keeps a thread from waiting too long.
SECONDS_FOR_TEXT = 300.0


class EmailBackend(smtp.EmailBackend):
    """Django's backend, with a longer time-out for the answer to an e-mail's text than for other answers."""

    @property
    def connection_class(self) -> type[smtplib.SMTP]:
        """The class of the connection."""
        return _PatientSMTPS if self.use_ssl else _PatientSMTP


class _PatientSMTP(smtplib.SMTP):
    def data(self, msg: Any) -> tuple[int, bytes]:
        """Send the text, with a longer time-out for the answer than for other answers."""
        if self.sock is None:
            return super().data(msg)  # which reports the closed connection
        seconds = self.sock.gettimeout()
        self.sock.settimeout(SECONDS_FOR_TEXT)
        try:
            return super().data(msg)
        finally:
            if self.sock is not None:
                self.sock.settimeout(seconds)


class _PatientSMTPS(_PatientSMTP, smtplib.SMTP_SSL):
    """A ``_PatientSMTP`` that uses TLS from the first byte."""
