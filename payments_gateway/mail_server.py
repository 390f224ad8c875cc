"""The mail server that takes receipts and notices, from the environment."""

from email.utils import parseaddr
from typing import Any
from urllib.parse import unquote, urlsplit

from django.core.mail.message import sanitize_address
from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings

UNQUOTED = "its user or password has a /, ? or #, which must be written as %2F, %3F or %23"
_EMAIL_PORTS = {"smtp": 25, "smtp+tls": 587, "smtps": 465}


class MailServer(BaseSettings):
    """The environment variables of the mail server."""

    email_url: SecretStr = Field(
        default=SecretStr("smtp://localhost:25"),
        alias="EMAIL_URL",
        description="The mail server's address, with its password: smtp://user:password@host:port, "
        "smtp+tls:// to begin TLS in the conversation (port 587), or smtps:// (port 465).",
    )
    email_sender: str = Field(
        default="webmaster@localhost",
        alias="EMAIL_SENDER",
        description="The address from which receipts and notices are sent.",
    )
    email_timeout: int = Field(
        default=10,
        ge=1,
        alias="EMAIL_TIMEOUT",
        description="The seconds for which the mail server may stay silent, unless it has an e-mail's text.",
    )

    @field_validator("email_sender")
    @classmethod
    def _can_send(cls, sender: str) -> str:
        if "@" not in parseaddr(sanitize_address(sender, "utf-8"))[1]:
            raise ValueError("it is no e-mail address")
        return sender

    @field_validator("email_url")
    @classmethod
    def _has_mail_server(cls, url: SecretStr) -> SecretStr:
        mail_server(url.get_secret_value())
        return url


def mail_server(url: str) -> dict[str, Any]:
    """Return Django's settings of the mail server at ``url``. Raises ValueError."""
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        # The error would repeat the password that contains such a character.
        raise ValueError(f"its port is no number up to 65535, or {UNQUOTED}") from None
    if parts.scheme not in _EMAIL_PORTS or not parts.hostname:
        raise ValueError("it is no smtp://, smtp+tls:// or smtps:// address with a host")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(UNQUOTED)
    return {
        "EMAIL_HOST": parts.hostname,
        "EMAIL_PORT": port or _EMAIL_PORTS[parts.scheme],
        "EMAIL_HOST_USER": unquote(parts.username or ""),
        "EMAIL_HOST_PASSWORD": unquote(parts.password or ""),
        "EMAIL_USE_TLS": parts.scheme == "smtp+tls",
        "EMAIL_USE_SSL": parts.scheme == "smtps",
    }
