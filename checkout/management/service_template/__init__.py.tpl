"""The ${name} service."""
