"""What other technologies do the same work with; each file is a program, run from the bench's environment."""
