"""An operator's own app, for tests: points pay for a part of a purchase, and a purchase earns points."""
