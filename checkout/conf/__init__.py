"""The typed view of this application's settings: the only package that reads ``django.conf``.

Each setting is declared once, with its name, default, bounds and meaning (``messaging.setting``). The Django
setting and the environment variable have the same name, with one exception: Django's settings of messaging
begin with ``MESSAGING_``, and those of serving with ``SERVING_``, in place of ``CHECKOUT_``.
``docs/settings.md`` lists all of them, and ``checks.py`` refuses combinations that are wrong in production.
"""

from checkout.conf.api import Api
from checkout.conf.installation import Installation
from checkout.conf.protection import Protection
from checkout.conf.providers import Providers
from checkout.conf.times import Times
from checkout.conf.webhooks import Webhooks
from messaging.conf import Conf as Messaging
from messaging.setting import reread_on_change
from payments_gateway.serving.conf import Conf as Serving

__all__ = ["Conf", "conf"]


class Conf(Installation, Providers, Protection, Api, Webhooks, Serving, Times, Messaging):
    """All settings, including those of messaging and serving. Each is read once, and again after a change."""


conf = reread_on_change(Conf())
