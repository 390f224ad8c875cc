"""Write ``docs/settings.md`` from the declarations of the settings: ``python -m scripts.settings_page``."""

import json
import os
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from messaging.setting import LONGEST_SECONDS

PAGE = Path(__file__).resolve().parent.parent / "docs" / "settings.md"
INTRODUCTION = """# Settings

Every setting of the gateway is an environment variable. Each process reads and checks all of them when it
starts, and one error lists all variables with a wrong value. This page is made from their declarations by
`python -m scripts.settings_page`.

A list whose default has no brackets has commas between its parts; other lists and tables are JSON. Times are
in seconds. A blank default is an empty value, unless the meaning says how the default is computed. A number
is at least 1, and a time more than 0 and at most a hundred years (3,153,600,000), unless brackets say
otherwise. An address of IPv6 counts as its /64 network.

A secret may be in a file, which its variable with `_FILE` names
([deployment.md](deployment.md#installation)).

Not on this page: `WEB_PORT`, the port of the web process (8000), which the [Procfile](../Procfile) reads; the
sandbox's `SANDBOX_…` ([sandbox.md](sandbox.md#settings)); uvicorn's own (`UVICORN_…`, `WEB_CONCURRENCY`). An
application that uses `messaging/` without this gateway has [Django
settings](../messaging/README.md#settings).
"""
OTHERS = "The installation"
BOUNDS = {
    "ge": "at least",
    "gt": "more than",
    "le": "at most",
    "min_length": "length at least",
}
# The bounds that the introduction states.
USUAL = ("", "at least 1", "more than 0")


def page() -> str:
    """Return the text of the page."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "payments_gateway.settings")
    from checkout.conf import Conf
    from messaging.setting import Setting
    from payments_gateway.environment import Environment

    titles = {
        setting.name: str(group.__doc__).rstrip(".")
        for group in reversed(Conf.__mro__)
        for setting in vars(group).values()
        if isinstance(setting, Setting)
    }
    groups: dict[str, list[str]] = {OTHERS: []}
    for name, field in Environment.model_fields.items():
        groups.setdefault(titles.get(name, OTHERS), []).append(_row(field))
    head = "| variable | default | meaning |\n|---|---|---|\n"
    return "\n".join(
        [INTRODUCTION, *(f"## {title}\n\n{head}{''.join(rows)}" for title, rows in groups.items())]
    )


def _row(field: Any) -> str:
    from payments_gateway.environment import is_secret
    from payments_gateway.secret_files import SUFFIX

    default = field.default if field.default_factory is None else None
    bounds = _bounds_of(field)
    meaning = str(field.description) if bounds in USUAL else f"{field.description} ({bounds})"
    escaped = meaning.replace("|", "\\|")
    names = f"`{field.alias}`" + (f", `{field.alias}{SUFFIX}`" if is_secret(field) else "")
    return f"| {names} | {_shown(default)} | {escaped} |\n"


def _shown(value: Any) -> str:
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
        if "development" in value:
            return "a published one"
    if value is None or value in ("", [], {}):
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return f"`{','.join(value)}`"
    if isinstance(value, list) and len(value) > 12:
        return f"`{json.dumps(value[:6])[:-1]}, …]`, {len(value)} in all"
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def _bounds_of(field: Any) -> str:
    """Return the bounds of a setting in words, but not the one that all durations have."""
    told = [
        f"{text} {_number(getattr(bound, name))}"
        for bound in field.metadata
        for name, text in BOUNDS.items()
        if getattr(bound, name, None) not in (None, LONGEST_SECONDS)
    ]
    return ", ".join(told)


def _number(value: float) -> str:
    return f"{value:g}" if value < 1_000_000 else f"{value:,}"


if __name__ == "__main__":
    PAGE.write_text(page())
