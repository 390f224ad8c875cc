"""Secrets in files, such as credentials of systemd and secrets of containers.

The variable ``SECRET_KEY_FILE`` names the file of ``SECRET_KEY``, and so on for each secret. Files are safer:
other processes of the same user can read variables, and started programs inherit them. A file is read once.
"""

import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

SUFFIX = "_FILE"


def read_secrets(names: Iterable[str], variables: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Return the secrets from the named files, and a sentence about each file that cannot be used."""
    values: dict[str, str] = {}
    faults: list[str] = []
    for name in names:
        if file := variables.get(f"{name}{SUFFIX}"):
            fault = _fault_of(Path(file))
            if variables.get(name):
                fault = f"is set, and so is {name}: leave one of them out"
            if not fault:
                try:
                    values[name] = Path(file).read_text(encoding="utf-8").removesuffix("\n")
                except UnicodeError:
                    fault = f"names {file}, which is no text in UTF-8"
                except OSError:
                    fault = f"names {file}, which this process may not read"
            if fault:
                faults.append(f"{name}{SUFFIX} {fault}")
    return values, faults


def _fault_of(file: Path) -> str:
    try:
        mode = file.stat().st_mode
    except OSError:
        return f"names {file}, and there is no such file, or this process may not reach it"
    if not stat.S_ISREG(mode):
        return f"names {file}, which is no file"
    if mode & stat.S_IRWXO:
        return f"names {file}, which every user may read: chmod o= {file}"
    return ""
