"""Timers for the tokens of saved cards: their deletion at the provider, and their encryption."""
