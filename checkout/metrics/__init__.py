"""Metrics of this process, and those that the relay collects for the whole installation."""
