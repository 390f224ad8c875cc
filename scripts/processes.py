"""Run the Procfile's processes, each connecting to the broker as its own user.

BROKER_URL is the broker's address, and BROKER_PASSWORDS names a JSON file with the password of each user. If
BROKER_PASSWORDS is not set, every process gets the same BROKER_URL.
"""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import SplitResult, quote, urlsplit

from honcho import environ
from honcho.manager import Manager
from honcho.printer import Printer

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    manager = Manager(Printer(sys.stdout))
    own = Path(".env")
    more = environ.parse(own.read_text()) if own.exists() else {}
    for name, command in environ.parse_procfile((ROOT / "Procfile").read_text()).processes.items():
        manager.add_process(name, command, env=environment_of(name, {**os.environ, **more}))
    manager.loop()
    return int(manager.returncode or 0)


def environment_of(process: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of one process, with its own broker password only."""
    own = dict(environment)
    file = own.pop("BROKER_PASSWORDS", "")
    if not file:
        return own
    passwords: dict[str, str] = json.loads(Path(file).read_text())
    user = f"{own.get('CHECKOUT_PREFIX', 'checkout')}.{process}"
    url = urlsplit(own.pop("BROKER_URL"))
    if user in passwords:  # the sandbox does not connect to the broker
        own["BROKER_URL"] = with_user(url, user, passwords[user])
    return own


def with_user(url: SplitResult, user: str, password: str) -> str:
    """Return the broker's address with this user in place of any other."""
    host = url.netloc.rpartition("@")[2]
    return url._replace(netloc=f"{quote(user, safe='')}:{quote(password, safe='')}@{host}").geturl()


if __name__ == "__main__":
    sys.exit(main())
