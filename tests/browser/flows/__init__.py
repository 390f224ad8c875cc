"""Purchases in Chromium, with every part of the product as a process of its own."""
