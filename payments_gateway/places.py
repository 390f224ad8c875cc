"""The folders of an installation, which is a checkout or the package that pip installed."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
# The wheel has the templates inside the package. In a checkout they are beside it.
_PACKED = PACKAGE / "templates"
IS_CHECKOUT = not _PACKED.is_dir()
TEMPLATES = PACKAGE.parent / "templates" if IS_CHECKOUT else _PACKED
# The folder of a try-out's databases, logs and keys. They do not belong into an installed package.
BASE = PACKAGE.parent if IS_CHECKOUT else Path.cwd()
