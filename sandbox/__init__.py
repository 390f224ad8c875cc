"""A payment provider and issuer to develop against: one process, its own books, never real money.

It speaks the provider's wire protocol and nothing else. It imports nothing of the gateway, and of the gateway
only the management command that starts it imports from here: a fault in one cannot hide in the other.
"""
