"""The audit log: all actions of staff, in one table to which rows are only added, as a hash chain."""
