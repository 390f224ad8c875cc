"""E-mail to a mail server that speaks SMTP. An e-mail that is accepted slowly is not sent again."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from asgiref.sync import async_to_sync
from django.core.mail import EmailMessage
from pytest_django import Settings

from checkout import mail
from checkout.mail import smtp
from payments_gateway import settings as product
from tests.support.mail_server import MailServer, mail_server

Send = Callable[[MailServer], None]
SECONDS = 1


@pytest.fixture
def send(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Send:
    """Return a function that sends an e-mail to a mail server as in production."""
    monkeypatch.setattr(mail, "_threads", ThreadPoolExecutor(1))
    settings.EMAIL_BACKEND, settings.EMAIL_TIMEOUT = product.SMTP, SECONDS

    def send(server: MailServer) -> None:
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
        email = EmailMessage(subject="Hello", body="", to=["mary@shopper.example"])
        async_to_sync(mail.send)(email)

    return send


def test_an_e_mail_that_is_looked_at_for_long_before_it_is_accepted_was_sent(send: Send):
    with mail_server(seconds_for_text=2 * SECONDS) as server:
        send(server)
    assert len(server.texts) == 1


def test_a_mail_server_that_never_accepts_the_text_is_waited_for_within_a_bound(
    send: Send, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(smtp, "SECONDS_FOR_TEXT", 0.1)
    with mail_server(seconds_for_text=60) as server, pytest.raises(OSError, match="timed out"):
        send(server)


def test_an_e_mail_is_sent_without_a_time_out_of_our_own(send: Send, settings: Settings):
    settings.EMAIL_TIMEOUT = None
    with mail_server() as server:
        send(server)
    assert len(server.texts) == 1


def test_a_connection_that_is_cut_after_the_text_was_accepted_is_no_failure(send: Send):
    with mail_server({"QUIT": b""}) as server:
        send(server)


@pytest.mark.parametrize(
    "answers",
    [
        {"DATA": b""},
        {"DATA": b"451 try again later\r\n"},
        {"DATA": b"554 no\r\n"},
        {"RCPT": b"450 greylisted\r\n"},
        {"RCPT": b"550 unknown\r\n"},
        {"MAIL": b""},
    ],
)
def test_an_e_mail_that_was_not_accepted_may_be_tried_again(send: Send, answers: dict[str, bytes]):
    with mail_server(answers) as server, pytest.raises(OSError):
        send(server)
