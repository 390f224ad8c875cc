"""The folders of an installation: of a checkout, or of the package that pip has installed."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
# The wheel carries the templates within the package. In a checkout they stand beside it.
_PACKED = PACKAGE / "templates"
IS_CHECKOUT = not _PACKED.is_dir()
TEMPLATES = PACKAGE.parent / "templates" if IS_CHECKOUT else _PACKED
# Databases, logs and keys of a try-out are below it. An installed package is not the place for them.
BASE = PACKAGE.parent if IS_CHECKOUT else Path.cwd()
