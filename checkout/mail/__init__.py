"""E-mail, sent by threads of its own in each process, which hold no database connection.

A mail server may take long for each of its answers. However long it takes, no thread or connection of the
database waits for it.
"""

from concurrent.futures import ThreadPoolExecutor, wait

from django.core.mail import EmailMessage
from django.template import Engine, Template

from checkout.conf import conf
from checkout.mail import smtp

AT_ONCE = 8
# The seconds that an e-mail may wait for a thread and take. One that has not begun then is called off.
SECONDS = 30.0
# The most answers until the text is sent: greeting, TLS, log-in, addresses. Each may take EMAIL_TIMEOUT.
ANSWERS = 16

_threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="mail")


def send(email: EmailMessage) -> None:
    """Send an e-mail. Raises ``OSError`` if it may not have been sent, among others ``TimeoutError``.

    It is for a thread that has given back its database connection. An e-mail that has not begun in time is
    called off. The end of one that has begun is waited for, because a slow server may still take it. Only
    after the longest time that a server may take is its end unknown.
    """
    job = _threads.submit(email.send)
    wait([job], SECONDS)
    if not job.done() and not job.cancel():
        wait([job], _longest_seconds())
    if not job.done() or job.cancelled():
        raise TimeoutError
    job.result()


def template(name: str) -> Template:
    """Return the template of an e-mail, of which only Django's own tags are used.

    Modules call this when they are loaded. Later the file may be one of the next release.
    """
    return Engine(dirs=[str(conf.base_dir / "templates" / "checkout" / "email")]).get_template(name)


def _longest_seconds() -> float:
    """Return the seconds that a server may take that stays silent just not too long before each answer."""
    return ANSWERS * conf.email_timeout + smtp.SECONDS_FOR_TEXT
