"""A payment provider and issuer for development: one process with its own books, without real money.

It imports nothing of the gateway, and speaks to it only in the provider's protocol. In the gateway, only the
management command that starts it imports this package. So a fault in one cannot hide in the other.
"""
