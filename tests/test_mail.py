"""E-mail is sent by a bounded number of threads of its own, without a database connection."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.core import mail as django_mail
from django.core.mail import EmailMessage
from django.core.mail.backends.locmem import EmailBackend
from django.db import connections
from pytest_django import Settings

from checkout import mail
from checkout.mail import smtp

Sent = list[tuple[str, int]]


def an_email() -> EmailMessage:
    return EmailMessage(subject="Hello", body="", to=["mary@shopper.example"])


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    """Return, for each e-mail sent, its thread and the number of database connections."""
    deliver, seen = EmailBackend.send_messages, Sent()

    def observed(backend: EmailBackend, messages: list[EmailMessage]) -> int:
        number = len(list(connections.all(initialized_only=True)))
        seen.append((threading.current_thread().name, number))
        return deliver(backend, messages)

    monkeypatch.setattr(EmailBackend, "send_messages", observed)
    return seen


@dataclass
class Silence:
    """The silence of a mail server, which ends with `is_over`. Each e-mail that has `begun` counts."""

    is_over: threading.Event = field(default_factory=threading.Event)
    begun: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    async def until_begun(self, count: int) -> None:
        """Wait until so many e-mails have begun."""
        for _ in range(count):
            assert await asyncio.to_thread(self.begun.acquire, timeout=20)


@pytest.fixture
def silence(monkeypatch: pytest.MonkeyPatch) -> Iterator[Silence]:
    """Let the mail server answer nothing until the silence is over, at the latest after the test."""
    silence, deliver = Silence(), EmailBackend.send_messages

    def hang(backend: EmailBackend, messages: list[EmailMessage]) -> int:
        silence.begun.release()
        silence.is_over.wait(20)
        return deliver(backend, messages)

    monkeypatch.setattr(EmailBackend, "send_messages", hang)
    monkeypatch.setattr(mail, "SECONDS", 0.05)
    # Not those of the process: a test before or after this one would wait for its threads.
    threads = ThreadPoolExecutor(mail.AT_ONCE)
    monkeypatch.setattr(mail, "_threads", threads)
    yield silence
    silence.is_over.set()
    threads.shutdown()


async def test_it_is_sent_in_a_thread_of_its_own_without_a_connection(sent: Sent):
    await mail.send(an_email())
    [(thread, connected)] = sent
    assert (thread.partition("_")[0], connected) == ("mail", 0)
    assert [each.subject for each in django_mail.outbox] == ["Hello"]


@pytest.mark.usefixtures("silence")
async def test_a_mail_server_that_hangs_is_waited_for_within_a_bound(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
):
    settings.EMAIL_TIMEOUT = 0.01
    monkeypatch.setattr(smtp, "SECONDS_FOR_TEXT", 0)
    for _ in range(2 * mail.AT_ONCE):
        with pytest.raises(TimeoutError):
            await mail.send(an_email())


class Prompt(ThreadPoolExecutor):
    """A thread that begins with an e-mail before anybody waits for it. Then `has_begun` is set."""

    def __init__(self, silence: Silence) -> None:
        super().__init__(1)
        self._silence = silence
        self.has_begun = threading.Event()

    def submit(self, *job: Any, **options: Any) -> Any:
        future = super().submit(*job, **options)
        assert self._silence.begun.acquire(timeout=20)
        self.has_begun.set()
        return future


async def test_an_email_that_a_slow_server_takes_after_all_is_sent(
    silence: Silence, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(mail, "SECONDS", 0)
    with Prompt(silence) as thread:
        monkeypatch.setattr(mail, "_threads", thread)
        sending = asyncio.ensure_future(mail.send(an_email()))
        assert await asyncio.to_thread(thread.has_begun.wait, 20)
        silence.is_over.set()
        await sending
    assert len(django_mail.outbox) == 1


async def test_an_email_that_has_not_begun_in_time_is_called_off(
    silence: Silence, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(mail, "SECONDS", 20)
    before = [asyncio.ensure_future(mail.send(an_email())) for _ in range(mail.AT_ONCE)]
    await silence.until_begun(mail.AT_ONCE)
    monkeypatch.setattr(mail, "SECONDS", 0.05)
    with pytest.raises(TimeoutError):
        await mail.send(an_email())
    silence.is_over.set()
    await asyncio.gather(*before)
    assert len(django_mail.outbox) == mail.AT_ONCE


async def test_a_server_that_does_not_answer_at_all_is_no_email_that_may_be_sent(
    monkeypatch: pytest.MonkeyPatch,
):
    def fail(*_arguments: object) -> int:
        raise TimeoutError("the server's")

    monkeypatch.setattr(EmailBackend, "send_messages", fail)
    with pytest.raises(TimeoutError, match="the server's"):
        await mail.send(an_email())
