"""Sagas of captures, voids, refunds and charge-backs."""
