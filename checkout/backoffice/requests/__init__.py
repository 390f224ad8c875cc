"""Captures, voids and refunds that staff request from a payment's page."""
