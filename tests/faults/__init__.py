"""The fault campaign: shoppers buy from the real stack while faults are injected, and invariants are checked.

`python -m tests.faults` (`make faults`) runs it. docs/findings.md has its results.
"""
