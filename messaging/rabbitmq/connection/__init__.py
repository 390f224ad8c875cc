"""One connection: the nodes of its address, its opening, its supervision."""
