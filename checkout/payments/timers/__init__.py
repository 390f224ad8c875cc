"""Work that becomes due as time passes. Each timer is one function that does due work in batches.

Any number of relays may run the timers at once. Each takes rows that no other has taken, or its work is
harmless if it is done twice.
"""
