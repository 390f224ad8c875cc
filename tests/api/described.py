"""Every problem that a test meets is one that the description of its operation names."""

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from checkout.api.description.openapi import document
from tests.support.asgi import Answer


@cache
def _operations() -> list[tuple[str, re.Pattern[str], dict[str, set[str]]]]:
    """Return the method, the form of the address and the codes by status of each operation."""
    return list(_described())


def _described() -> Iterator[tuple[str, re.Pattern[str], dict[str, set[str]]]]:
    for address, item in document()["paths"].items():
        form = re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(address)))
        for method, operation in item.items():
            if isinstance(operation, dict):
                yield method.upper(), form, dict(_codes_of(operation))


def _codes_of(operation: dict[str, Any]) -> Iterator[tuple[str, set[str]]]:
    for status, response in operation["responses"].items():
        yield status, set(response["description"].split("`")[1::2])


def require_described(method: str, path: str, answer: Answer) -> None:
    """Fail if the answer is a problem that its operation does not name."""
    if answer.status < 400:
        return
    address = path.partition("?")[0]
    # The literal address first: `by-order` is no id.
    for described, form, codes in sorted(_operations(), key=lambda each: "[" in each[1].pattern):
        if described == method and form.fullmatch(address):
            code = json.loads(answer.body).get("code")
            assert code in codes.get(str(answer.status), set()), f"{method} {address}: {answer.status} {code}"
            return
