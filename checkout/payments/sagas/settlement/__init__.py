"""Decisions of staff that settle open matters, and the conditions of these decisions."""
