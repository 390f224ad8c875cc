"""The second factor of staff, and the confirmation before money moves."""
