"""A scripted shopper: a separate program that buys something through the pages, as a browser would.

It talks HTTP to the gateway and to the provider, and shares no code with either. Its report may add records
of the same purchase from the gateway's own tables.
"""
