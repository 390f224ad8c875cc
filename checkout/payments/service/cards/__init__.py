"""Saved cards: written with an authorisation, and deleted at the provider once they are removed."""
