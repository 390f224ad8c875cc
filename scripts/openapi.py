"""Write the OpenAPI document, for reading and for serving, and its page: ``python -m scripts.openapi``."""

import json
import os
from pathlib import Path
from typing import Any

import yaml

from scripts.documentation import api_reference

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGE = DOCS / "openapi.yaml"
REFERENCE = DOCS / "api-reference.md"
HEAD = "# Made by python -m scripts.openapi from checkout/api/. Do not edit.\n"


def document() -> dict[str, Any]:
    """Return the document."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "payments_gateway.settings")
    import django

    django.setup()
    from checkout.api.description.openapi import document

    return document()


def as_yaml(made: dict[str, Any]) -> str:
    """Return the text of ``docs/openapi.yaml``."""
    text: str = yaml.dump(_plain(made), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
    return HEAD + text


def as_json(made: dict[str, Any]) -> str:
    """Return the text of the file that is served."""
    return json.dumps(made, ensure_ascii=False, separators=(",", ":")) + "\n"


class _Dumper(yaml.CSafeDumper):
    """A dumper without anchors, which not all readers of OpenAPI understand."""

    def ignore_aliases(self, data: Any) -> bool:
        """See ``SafeDumper``."""
        return True


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value))


def main() -> None:
    made = document()
    from checkout.api.description.document import FILE

    PAGE.write_text(as_yaml(made))
    FILE.write_text(as_json(made))
    REFERENCE.write_text(api_reference.page(made))


if __name__ == "__main__":
    main()
