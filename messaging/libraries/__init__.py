"""Libraries of which this package uses internals, or which it uses with a precaution."""
