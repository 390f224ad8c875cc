"""Stopped processes, so that an answer takes longer than a shopper's request is held."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.stack import Stack


@contextmanager
def halted(stack: Stack, service: str) -> Iterator[None]:
    """Stop the service's process within the block."""
    pid = stack.programs[service].pid
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
