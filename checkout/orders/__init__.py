"""The orders service: stock and its reservations, and their tables."""
