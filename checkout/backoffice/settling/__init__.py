"""The pages on which staff settle unknown outcomes: the evidence, a form and a confirmation."""
