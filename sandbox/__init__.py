"""A payment provider and issuer for development: one process with its own books, without real money.

It speaks only the provider's wire protocol. It imports nothing of the gateway, and of the gateway only the
management command that starts it imports this package, so that a fault in one cannot hide in the other.
"""
