"""Work that becomes due as time passes. Each timer is one function that does due work in batches.

Any number of relays may run the timers at once: each takes rows that no other has taken, or does something
that is harmless when done twice.
"""
