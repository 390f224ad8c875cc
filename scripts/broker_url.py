"""Print the broker's address with a user and its password, for commands that run beside `make up`.

Arguments: the address without a user, the JSON file with the passwords, and the name of the user.
"""

import json
import sys
from pathlib import Path
from urllib.parse import urlsplit

from scripts.processes import with_user


def main() -> int:
    address, file, user = sys.argv[1:]
    passwords: dict[str, str] = json.loads(Path(file).read_text())
    if user not in passwords:
        sys.stderr.write(f"There is no user {user}, only {', '.join(sorted(passwords))}.\n")
        return 1
    sys.stdout.write(f"{with_user(urlsplit(address), user, passwords[user])}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
