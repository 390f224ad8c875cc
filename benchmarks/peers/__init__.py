"""Programs that do the same work with other technologies, each run from the bench's environment."""
