"""The sender: it takes due deliveries, posts them, and records the answers."""
