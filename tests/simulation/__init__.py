"""Deterministic simulation: whole schedules of payments, faults and crashes, in one thread and virtual time.

The product's own services, workers, relay, timers and operations run on the in-memory broker, on SQLite in
memory and against the provider's twin. A schedule is a function of its seed: who pays what with which card,
how long every delivery takes, what is lost, doubled or crashed, and when. After each one the books are
compared (``invariants``). ``python -m tests.simulation --help`` says how to run and replay schedules.
"""
