"""Card numbers and personal data: sealed, replaced by pseudonyms, or removed from texts."""
