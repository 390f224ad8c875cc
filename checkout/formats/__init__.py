"""How times are written: the same everywhere, to the second and with their zone."""
