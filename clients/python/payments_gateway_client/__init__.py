"""A client of the payments gateway: ``Client``, ``AsyncClient`` and ``verify_webhook``."""

from payments_gateway_client.client import API_VERSION, AsyncClient, Client
from payments_gateway_client.errors import (
    ApiError,
    Conflict,
    GatewayError,
    InvalidRequest,
    NotAuthenticated,
    NotFound,
    NotPermitted,
    NotReachable,
    ServerError,
    TooManyRequests,
)
from payments_gateway_client.webhooks import WebhookNotGenuine, verify_webhook

__all__ = [
    "API_VERSION",
    "ApiError",
    "AsyncClient",
    "Client",
    "Conflict",
    "GatewayError",
    "InvalidRequest",
    "NotAuthenticated",
    "NotFound",
    "NotPermitted",
    "NotReachable",
    "ServerError",
    "TooManyRequests",
    "WebhookNotGenuine",
    "verify_webhook",
]
