"""The room for the truth about money: what we did, what the provider says, and what follows from both.

``ours`` is our side of one order, ``theirs`` the provider's. The modules ``compare_*`` are pure: each is a
part of the table of decisions in ``docs/books.md``. They get snapshots and return verdicts, and neither read
nor write anything. ``portal``, ``money_at_risk`` and ``figures`` read the rows that they compare. ``apply``
writes what a verdict says.
"""
