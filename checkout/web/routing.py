"""Addresses of WebSockets."""

from django.urls import re_path

from checkout.web.consumers import NoSuchSocket, StatusConsumer

websocket_urlpatterns = [
    re_path(r"^ws/checkout/(?P<reference>pay_[0-9a-f]{32})/$", StatusConsumer.as_asgi()),
    re_path(r"", NoSuchSocket.as_asgi()),
]
