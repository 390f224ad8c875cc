"""A bare WSGI application for a gunicorn worker with threads: the smallest possible front end for Celery."""

import json
from collections.abc import Callable, Iterable
from typing import Any

from benchmarks.peers.celery_app import reply


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    command = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
    body = json.dumps(reply.delay(command).get(timeout=30)).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
