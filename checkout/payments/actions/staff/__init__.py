"""Actions that only staff may take."""
