"""Webhooks to merchants."""
