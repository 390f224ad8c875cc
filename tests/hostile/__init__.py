"""Attacks on the whole stack while shoppers pay: their costs, and a check that nothing wrong is booked."""
