"""Card numbers, secrets and personal data: encrypted, replaced by pseudonyms, or removed from texts."""
