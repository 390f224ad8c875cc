"""The gateway on several hosts, which fail one at a time."""
