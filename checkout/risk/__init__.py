"""The risk service: block lists and velocity limits, and their tables."""
