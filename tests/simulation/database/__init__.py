"""A Django database engine for SQLite in memory, which can simulate a crash or outage around any commit."""
