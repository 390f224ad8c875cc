"""E-mail, sent by dedicated threads in each process, which hold no database connection.

A mail server may be slow. No database thread and no database connection waits for it.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from django.core.mail import EmailMessage
from django.template import Engine, Template

from checkout.conf import conf
from checkout.mail import smtp

AT_ONCE = 8
# The seconds within which an e-mail must be sent. If no thread is free until then, it is cancelled.
SECONDS = 30.0
# The largest number of answers before the text is sent: greeting, TLS, log-in, addresses. Each may take
# EMAIL_TIMEOUT.
ANSWERS = 16

_threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="mail")


async def send(email: EmailMessage) -> None:
    """Send an e-mail. Raises ``OSError`` (for example ``TimeoutError``) if it may not have been sent.

    If sending has not begun in time, the e-mail is cancelled. If it has begun, the function waits until it
    ends, because a slow server may still accept the e-mail. After ``longest_seconds``, the outcome is
    unknown.
    """
    job = _threads.submit(email.send)
    sending = asyncio.wrap_future(job)
    # Retrieve the error of an abandoned e-mail. Otherwise asyncio would log that nobody did.
    sending.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
    await asyncio.wait([sending], timeout=SECONDS)
    if not job.done() and not job.cancel():
        await asyncio.wait([sending], timeout=longest_seconds() - SECONDS)
    if not job.done() or job.cancelled():
        raise TimeoutError
    await sending


def template(name: str) -> Template:
    """Return the template of an e-mail, which may use Django's built-in tags and its translation tags.

    Call this function when a module is loaded, because the file may be replaced by the next release later.
    """
    folders = [str(each / "checkout" / "email") for each in conf.template_folders]
    return Engine(dirs=folders, libraries={"i18n": "django.templatetags.i18n"}).get_template(name)


def longest_seconds() -> float:
    """Return the longest time that ``send`` may take, if each answer comes just before its time-out."""
    return SECONDS + ANSWERS * conf.email_timeout + smtp.SECONDS_FOR_TEXT
