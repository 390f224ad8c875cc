"""The name of the API's tables in the back office."""

from django.apps import AppConfig


class ApiConfig(AppConfig):
    """Keys and idempotency records of the API."""

    name = "checkout.api"
    verbose_name = "API"
