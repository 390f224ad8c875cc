"""A scripted shopper: a program of its own that buys something through the pages, as a browser would.

It talks HTTP to the gateway and to the provider and shares no code with either. Its report may add what the
gateway's own tables tell of the same purchase.
"""
