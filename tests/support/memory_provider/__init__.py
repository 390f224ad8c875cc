"""A payment provider without a network, for tests: this app lets accounts have the provider ``memory``."""
