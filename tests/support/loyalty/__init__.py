"""An app of one's own, for tests: points that pay for a part of a purchase, and points that it earns."""
