"""The access of staff to the back office: log-in and its limits, the record of log-ins, and sessions."""
