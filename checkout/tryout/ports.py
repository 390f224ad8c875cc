"""The loopback ports of a try-out, and the programs that listen on them already."""

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

LOOPBACK = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))
PROC = Path("/proc")
# The state of a listening socket in Linux's tables.
_LISTENING = "0A"


class PortTaken(Exception):
    """A program listens on a port that is needed. The text names it, and says what to do."""


def web_port() -> int:
    """Return the port of the gateway: ``WEB_PORT``, or 8000."""
    return int(os.environ.get("WEB_PORT") or 8000)


def sandbox_port() -> int:
    """Return the port of the sandbox: ``SANDBOX_PORT``, or 8001."""
    return int(os.environ.get("SANDBOX_PORT") or 8001)


def check_ports(*ports: int) -> None:
    """Raise ``PortTaken`` if something listens on one of these ports, under any name of this machine."""
    for port in ports:
        for family, address in LOOPBACK:
            try:
                with socket.create_server((address, port), family=family):
                    pass
            except OSError as error:
                if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                    continue  # a machine without IPv6
                raise PortTaken(_why(port, address, error)) from error


def _why(port: int, address: str, error: OSError) -> str:
    found = next(_listeners(port), "")
    listens = f"{found} listens there" if found else os.strerror(error.errno or 0)
    return (
        f"Port {port} at {address} cannot be used: {listens}. Stop the program that uses it, or choose other "
        "ports with the variables WEB_PORT and SANDBOX_PORT."
    )


def _listeners(port: int) -> Iterator[str]:
    """Yield the programs that listen on a port, if Linux lets this user see them."""
    inodes = set(_inodes(port))
    for process in PROC.glob("[0-9]*") if inodes else ():
        # The process may end meanwhile, or belong to another user.
        with suppress(OSError):
            if any(os.readlink(file) in inodes for file in (process / "fd").iterdir()):
                command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                yield f"process {process.name} ({command.strip()[:60]})"


def _inodes(port: int) -> Iterator[str]:
    for table in (PROC / "net/tcp", PROC / "net/tcp6"):
        with suppress(OSError):
            for line in table.read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                    yield f"socket:[{fields[9]}]"
