"""E-mail, sent by threads of its own in each process, which hold no database connection.

A mail server may take long for each of its answers. However long it takes, no thread or connection of the
database waits for it.
"""

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor

from django.core.mail import EmailMessage

AT_ONCE = 8
# The bound on a whole e-mail, in which it may also wait for a thread. EMAIL_TIMEOUT is for each answer only.
SECONDS = 30.0

_threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="mail")


async def send(email: EmailMessage) -> None:
    """Send an e-mail. Raises ``OSError`` if it may not have been sent, among others ``TimeoutError``.

    An e-mail that has not begun in time is called off.
    """
    async with asyncio.timeout(SECONDS):
        await asyncio.wrap_future(_begin(email))


def send_and_wait(email: EmailMessage) -> None:
    """Send an e-mail, for a thread that has given back its database connection. Raises as ``send`` does."""
    job = _begin(email)
    try:
        job.result(SECONDS)
    finally:
        job.cancel()


def _begin(email: EmailMessage) -> "Future[int]":
    return _threads.submit(email.send)
