"""Payments: their tables, actions, sagas, the payments service and the providers."""
