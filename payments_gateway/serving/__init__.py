"""HTTP serving: the server, request cycles, limits and the graceful shutdown."""
