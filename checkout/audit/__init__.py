"""The audit log: everything that staff do, in one table that is only added to, as a chain of digests."""
