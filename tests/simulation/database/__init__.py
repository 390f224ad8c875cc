"""SQLite in memory as a Django database engine, with a crash or an outage around any commit."""
