"""The ledger service: double-entry postings, and their tables."""
