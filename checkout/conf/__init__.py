"""The typed view of this application's settings: the only package here that reads ``django.conf``.

Each setting is declared once, with its name, default, bounds and meaning (``messaging.setting``). The Django
setting and the environment variable have the same name; those of messaging begin with ``MESSAGING_`` in
Django's settings, and with ``CHECKOUT_`` in the environment. ``docs/settings.md`` lists all of them, and
``checks.py`` refuses combinations that are wrong in production.
"""

from checkout.conf.installation import Installation
from checkout.conf.limits import Limits
from checkout.conf.protection import Protection
from checkout.conf.providers import Providers
from checkout.conf.times import Times
from messaging.conf import Conf as Messaging
from messaging.setting import reread_on_change

__all__ = ["Conf", "conf"]


class Conf(Installation, Providers, Protection, Limits, Times, Messaging):
    """Settings, including those of messaging. Each is read once, and again after ``setting_changed``."""


conf = reread_on_change(Conf())
