"""The decisions of staff that settle what is open, and what these decisions have to look at."""
