"""Time limits, locks, clocks and indexes of the database."""
