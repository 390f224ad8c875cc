"""Durable flows. ``DEFINITIONS`` knows each by its kind."""

from checkout.sagas.purchase import Purchase

purchase = Purchase()
DEFINITIONS = {purchase.kind: purchase}
