"""The access of staff to the back office: log-in, its limits, its record, and sessions."""
