"""The minimal view: Django REST framework validates an order and inserts one row.

It has no keys, limits, idempotency, events or messages. The database has default settings, and connections
are pooled.
"""

import os
from typing import ClassVar

import dj_database_url
import django
from django.conf import settings

settings.configure(
    DEBUG=False,
    SECRET_KEY="benchmark",  # noqa: S106
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    DATABASES={
        "default": {**dj_database_url.parse(os.environ["DATABASE_URL"]), "OPTIONS": {"pool": True}},
    },
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    INSTALLED_APPS=["rest_framework"],
    MIDDLEWARE=["django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware"],
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": [],
        "DEFAULT_PERMISSION_CLASSES": [],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
        "UNAUTHENTICATED_USER": None,
    },
)
django.setup()

from django.core.asgi import get_asgi_application  # noqa: E402
from django.db import connection, models  # noqa: E402
from django.urls import path  # noqa: E402
from rest_framework import generics, serializers  # noqa: E402


class Order(models.Model):
    """A row with the fields of the request."""

    order_reference = models.CharField(max_length=100, unique=True)
    amount = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    description = models.CharField(max_length=50)
    customer_email = models.EmailField(blank=True)
    metadata = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)
    objects: models.Manager["Order"] = models.Manager()

    class Meta:
        app_label = "benchmark"


class OrderSerializer(serializers.ModelSerializer[Order]):
    """A serializer of all fields. The database checks that the reference is unique."""

    class Meta:
        model = Order
        fields = "__all__"
        extra_kwargs: ClassVar[dict[str, dict[str, list[object]]]] = {"order_reference": {"validators": []}}


class Orders(generics.CreateAPIView[Order]):
    """The view that creates an order."""

    queryset = Order.objects.all()
    serializer_class = OrderSerializer


urlpatterns = [path("orders", Orders.as_view())]
if Order._meta.db_table not in connection.introspection.table_names():
    with connection.schema_editor() as editor:
        editor.create_model(Order)
connection.close()
application = get_asgi_application()
