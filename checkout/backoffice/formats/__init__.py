"""The formats of dates and times: the same everywhere, to the second and with the time zone."""
