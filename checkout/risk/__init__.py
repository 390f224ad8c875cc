"""The risk service: block lists and velocity, and their tables."""
