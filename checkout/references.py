"""References: the public ids of objects, such as ``pay_`` and 32 hexadecimal digits."""

import secrets


def new_reference(prefix: str) -> str:
    """Return an unguessable reference: ``prefix`` and 128 random bits."""
    return f"{prefix}_{secrets.token_hex(16)}"


def form_of(prefix: str) -> str:
    """Return the regular expression, without anchors, for references with this prefix."""
    return rf"{prefix}_[0-9a-f]{{32}}"
