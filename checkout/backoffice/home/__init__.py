"""The first page: the figures of payments, and the health of the systems on which payments depend."""
