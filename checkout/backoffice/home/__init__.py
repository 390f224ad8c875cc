"""The first page: the figures of payments, and the health of what they depend on."""
