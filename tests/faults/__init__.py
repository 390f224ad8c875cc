"""The fault campaign: shoppers buy from the real stack while everything around it breaks, and books are kept.

`python -m tests.faults` (`make faults`) runs it; docs/reliability.md tells what it found.
"""
