"""Databases: the owner of each table, the replica, time limits, locks, and operations of migrations."""
