"""Addresses of WebSockets."""

from typing import Any, cast

from django.urls import re_path

from checkout.consumers import NoSuchSocket, StatusConsumer

websocket_urlpatterns: list[Any] = [
    re_path(r"^ws/checkout/(?P<reference>pay_[0-9a-f]{32})/$", cast(Any, StatusConsumer.as_asgi())),
    re_path(r"", cast(Any, NoSuchSocket.as_asgi())),
]
