"""What happens because time has passed. Each timer is one function that deals with what is due, in batches.

Any number of relays may run them at once: each takes rows that no other has, or does what is harmless twice.
"""
