"""Approval by a second person: the actions that staff request, and carrying them out once approved."""
