"""E-mail is sent by threads of its own, without a database connection, within a bound."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator

import pytest
from django.core import mail as django_mail
from django.core.mail import EmailMessage
from django.core.mail.backends.locmem import EmailBackend
from django.db import connections

from checkout import mail

Sent = list[tuple[str, int]]


def an_email() -> EmailMessage:
    return EmailMessage(subject="Hello", body="", to=["mary@shopper.example"])


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    """Return the thread and number of its database connections for each e-mail that is sent."""
    deliver, seen = EmailBackend.send_messages, Sent()

    def observed(backend: EmailBackend, messages: list[EmailMessage]) -> int:
        number = len(list(connections.all(initialized_only=True)))
        seen.append((threading.current_thread().name, number))
        return deliver(backend, messages)

    monkeypatch.setattr(EmailBackend, "send_messages", observed)
    return seen


@pytest.fixture
def silence(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the mail server answer nothing until the test is over."""
    is_over = threading.Event()

    def hang(_backend: EmailBackend, messages: list[EmailMessage]) -> int:
        is_over.wait(20)
        return len(messages)

    monkeypatch.setattr(EmailBackend, "send_messages", hang)
    monkeypatch.setattr(mail, "SECONDS", 0.05)
    yield
    is_over.set()


async def send(email: EmailMessage) -> None:
    await mail.send(email)


async def send_and_wait(email: EmailMessage) -> None:
    await asyncio.to_thread(mail.send_and_wait, email)


Way = Callable[[EmailMessage], Awaitable[None]]
WAYS = pytest.mark.parametrize("way", [send, send_and_wait])


@WAYS
async def test_it_is_sent_in_a_thread_of_its_own_without_a_connection(way: Way, sent: Sent):
    await way(an_email())
    [(thread, connected)] = sent
    assert (thread.partition("_")[0], connected) == ("mail", 0)
    assert [each.subject for each in django_mail.outbox] == ["Hello"]


@WAYS
@pytest.mark.usefixtures("silence")
async def test_a_mail_server_that_hangs_is_waited_for_within_a_bound(way: Way):
    for _ in range(2 * mail.AT_ONCE):
        with pytest.raises(TimeoutError):
            await way(an_email())
