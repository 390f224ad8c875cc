"""A process that is there and says nothing: the answer takes longer than a shopper's request is held."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.stack import Stack


@contextmanager
def halted(stack: Stack, service: str) -> Iterator[None]:
    """Let the service's process stand still for a while."""
    pid = stack.programs[service].pid
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
