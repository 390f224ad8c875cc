"""The product's own randomness (references, message ids, jitter), generated from the seed as well."""

import random
import secrets

from messaging import envelope

_source = random.Random()


def take_over() -> None:
    """Generate every random value of this process from the seed."""
    secrets.token_bytes = lambda nbytes=None: _source.randbytes(32 if nbytes is None else nbytes)
    secrets.randbits = _source.getrandbits


def restart(seed: int) -> None:
    """Start again from ``seed``, so that references and message ids repeat."""
    random.seed(f"product {seed}")
    _source.seed(f"secrets {seed}")
    envelope._seed_process_bits()
