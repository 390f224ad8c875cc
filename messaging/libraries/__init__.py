"""The libraries that this package uses past their public interfaces, or with a precaution."""
