"""Generators of the client libraries in ``clients/``, which read ``docs/openapi.yaml``."""
