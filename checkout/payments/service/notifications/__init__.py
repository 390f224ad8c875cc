"""Notifications of providers, matched with payments and applied."""
