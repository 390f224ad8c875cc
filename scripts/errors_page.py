"""Write ``docs/errors.md`` from the catalogue of problems: ``python -m scripts.errors_page``."""

import os
from pathlib import Path

PAGE = Path(__file__).resolve().parent.parent / "docs" / "errors.md"
INTRODUCTION = """# Errors of the API

A request that is refused changes nothing, and its answer is a problem document (RFC 9457) in
`application/problem+json`:

```json
{
  "type": "https://pay.example/problems/invalid_request",
  "code": "invalid_request",
  "title": "Invalid request",
  "status": 422,
  "detail": "Fields are missing or invalid.",
  "request_id": "req_4f0c8a5b6d7e8f9012345678",
  "errors": [{"detail": "This field is required.", "pointer": "/amount"}]
}
```

Compare `code`, or `type`, which is an address with this text. `title` and `detail` are for people and may
change. Each of the `errors` names a field of the body (`pointer`, RFC 6901), a `parameter` of the query or a
`header`. Ignore members that you do not know. Quote the header `Request-Id` when you ask about a request.

A 5xx answer, a time-out and a lost connection leave open whether something has happened: repeat the request
with the same [`Idempotency-Key`](api.md#idempotency).

This page is made from `checkout/api/answers/catalogue.py` by `python -m scripts.errors_page`.

| status | code | meaning | what to do |
|---|---|---|---|
"""


def page() -> str:
    """Return the text of the page."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "payments_gateway.settings")
    import django

    django.setup()
    from checkout.api.answers.catalogue import CATALOGUE

    entries = sorted(CATALOGUE.values(), key=lambda entry: entry.problem.status)
    rows = [
        f"| {entry.problem.status} | `{entry.problem.code}` | {entry.problem.detail} | {entry.advice} |\n"
        for entry in entries
    ]
    return INTRODUCTION + "".join(rows)


if __name__ == "__main__":
    PAGE.write_text(page())
