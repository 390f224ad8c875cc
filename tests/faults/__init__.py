"""The fault campaign: shoppers buy from the real stack while faults are injected, and the results are judged.

`python -m tests.faults` (`make faults`) runs it. docs/findings.md has its results.
"""
