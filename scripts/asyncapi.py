"""Write ``docs/asyncapi.yaml``, its schemas and its page: ``python -m scripts.asyncapi``.

At a release, ``--freeze`` copies the schemas to the folder of that version.
"""

import argparse
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

import django
import yaml

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "payments_gateway.settings")
django.setup()

from scripts.contract.document import document  # noqa: E402 (models need the settings)
from scripts.contract.making import VERSION  # noqa: E402
from scripts.contract.page import page  # noqa: E402
from scripts.contract.schemas import schemas  # noqa: E402

DOCS = Path(__file__).resolve().parent.parent / "docs"
SCHEMAS = DOCS / "schemas"
FROZEN = SCHEMAS / "frozen"
NOTE = "# Made by python -m scripts.asyncapi from the classes of messages.\n"


def files() -> Mapping[Path, str]:
    """Return the text of each generated file, by its path."""
    made = document(codes())
    text = yaml.dump(made, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
    return {
        DOCS / "asyncapi.yaml": NOTE + text,
        DOCS / "message-reference.md": page(made, schemas()),
        **{SCHEMAS / f"{name}.json": _json(schema) for name, schema in schemas().items()},
    }


def codes() -> dict[str, list[str]]:
    """Return the codes of each service's errors, from the table in ``docs/messages.md``."""
    contract = (DOCS / "messages.md").read_text()
    table = contract.partition("The codes of our own services")[2].partition("\n\nOutcomes of")[0]
    rows = re.findall(r"^\| ([a-z]+) \| (.+) \|$", table, re.MULTILINE)
    return {service: re.findall(r"`([a-z_]+)`", cell) for service, cell in rows if service != "service"}


def superfluous() -> list[Path]:
    """Return the schemas of messages that no longer exist."""
    return sorted(set(SCHEMAS.glob("*.json")) - files().keys())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--freeze", action="store_true", help="copy the schemas as those of this version")
    freezes = parser.parse_args().freeze
    SCHEMAS.mkdir(exist_ok=True)
    for path in superfluous():
        path.unlink()
    for path, text in files().items():
        path.write_text(text)
    if freezes:
        folder = FROZEN / VERSION
        folder.mkdir(parents=True)
        for name, schema in schemas().items():
            (folder / f"{name}.json").write_text(_json(schema))


class _Dumper(yaml.CSafeDumper):
    """A writer that keeps line breaks in texts, and writes repeated parts in full."""

    def ignore_aliases(self, data: object) -> bool:
        """Return True, so that repeated parts are written in full."""
        return True


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def _json(schema: object) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    main()
