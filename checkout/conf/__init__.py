"""The typed view of this application's settings: the only package here that reads ``django.conf``.

Every value has a Django setting of the same name with the prefix ``CHECKOUT_`` (``PUBLIC_URL`` has none, and
those of messaging have ``MESSAGING_``), and a default that suits a laptop. ``checks.py`` refuses combinations
that are wrong in production.
"""

from django.core.signals import setting_changed

from checkout.conf.installation import Installation
from checkout.conf.limits import Limits
from checkout.conf.protection import Protection
from checkout.conf.providers import Providers
from checkout.conf.times import Times
from messaging.conf import Conf as Messaging

__all__ = ["Conf", "conf"]


class Conf(Installation, Providers, Protection, Limits, Times, Messaging):
    """Settings, those of messaging included. Each is read once, and again when Django tells of a change."""


conf = Conf()


def _forget(**_change: object) -> None:
    vars(conf).clear()


setting_changed.connect(_forget)
