"""Conclusions that the payments service draws from a provider's answers."""
