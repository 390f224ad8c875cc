"""Reviews, verifications and the decisions of staff that settle unknown outcomes."""
