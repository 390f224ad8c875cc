"""The fault campaign: shoppers buy from the real stack while faults are injected, and the results are judged.

`python -m tests.faults` (`make faults`) runs it. docs/reliability.md has its results.
"""
