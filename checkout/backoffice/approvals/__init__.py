"""Four eyes: what staff request instead of doing it, and what is done once another has approved it."""
