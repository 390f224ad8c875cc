"""Requests to the API: the base view, the body, preferences, idempotency keys and the wait."""
