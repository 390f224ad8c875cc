"""The pages on which staff settle unknown outcomes: evidence, a form and a confirmation."""
