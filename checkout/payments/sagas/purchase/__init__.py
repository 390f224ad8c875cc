"""The purchase saga."""
