"""Libraries whose internals this package uses, or which it uses with a precaution."""
