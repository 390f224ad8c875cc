"""Deterministic simulation: schedules of payments, faults and crashes in one thread and in virtual time.

The product's own services, workers, relay, timers and operations run on the in-memory broker, on SQLite in
memory and against the provider's twin. The seed determines a whole schedule: each shopper's payment and card,
the time that every delivery takes, and all messages that are lost or doubled and all processes that crash.
After each schedule the books are compared (``invariants``). ``python -m tests.simulation --help`` shows how
to run and replay schedules.
"""
