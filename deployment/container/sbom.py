"""Print the bill of materials of this image, in CycloneDX 1.6: Debian's packages and those of Python.

It has no time and no random number, so that the same packages have the same bill.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import distributions
from urllib.parse import quote

from checkout.version import VERSION

DEBIAN = "${binary:Package}\t${Version}\t${Architecture}\n"


def main() -> None:
    components = sorted([*_of_python(), *_of_debian()], key=lambda each: each["purl"])
    gateway = {"type": "application", "name": "payments-gateway", "version": VERSION}
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": gateway},
        "components": components,
    }
    json.dump(bill, sys.stdout, indent=2)


def _of_python() -> Iterator[dict[str, str]]:
    for each in distributions():
        name = each.metadata["Name"].lower().replace("_", "-")
        yield _component(name, each.version, f"pkg:pypi/{name}@{quote(each.version)}")


def _of_debian() -> Iterator[dict[str, str]]:
    command = ["/usr/bin/dpkg-query", "--show", f"--showformat={DEBIAN}"]
    shown = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 (no input)
    for line in shown.stdout.splitlines():
        package, version, architecture = line.split("\t")
        name = package.partition(":")[0]
        yield _component(name, version, f"pkg:deb/debian/{name}@{quote(version)}?arch={architecture}")


def _component(name: str, version: str, purl: str) -> dict[str, str]:
    return {"type": "library", "name": name, "version": version, "purl": purl, "bom-ref": purl}


if __name__ == "__main__":
    main()
