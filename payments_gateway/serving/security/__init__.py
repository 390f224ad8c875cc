"""Headers, hosts and origins: the parts of HTTP that protect against other sites."""
