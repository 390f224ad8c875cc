"""Addresses of WebSockets."""

from django.urls import re_path

from checkout.references import form_of
from checkout.web.consumers import NoSuchSocket, StatusConsumer

websocket_urlpatterns = [
    re_path(rf"^ws/checkout/(?P<reference>{form_of('pay')})/$", StatusConsumer.as_asgi()),
    re_path(r"", NoSuchSocket.as_asgi()),
]
