"""The sender, which leases due deliveries, posts them, and records the answers."""
