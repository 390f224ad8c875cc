"""Compare our operations with the provider's answers and events, and decide what follows for our books.

``ours`` is our side of one order, ``theirs`` the provider's. The modules ``compare_*`` are pure functions
from snapshots to verdicts. Each is a part of the table of decisions in ``docs/books.md``. ``portal``,
``money_at_risk`` and ``figures`` read the rows that they compare. ``apply`` writes what a verdict says.
"""
