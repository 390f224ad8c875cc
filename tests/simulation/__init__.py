"""Deterministic simulation: schedules of payments, faults and crashes in one thread and in virtual time.

The product's own services, workers, relay, timers and operations run on the in-memory broker, on SQLite in
memory and against a simulated provider. The seed determines a whole schedule: each shopper's payment and
card, the time that every delivery takes, which messages are lost or doubled, and which processes crash. After
each schedule the gateway's books are compared with the provider's (``invariants``). ``python -m
tests.simulation --help`` shows how to run and replay schedules.
"""
