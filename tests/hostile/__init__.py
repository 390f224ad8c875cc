"""Attacks on the whole stack while shoppers pay: what they cost, and that nothing wrong is booked."""
