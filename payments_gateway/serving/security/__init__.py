"""Headers, hosts and origins: the parts of HTTP that keep other sites out."""
