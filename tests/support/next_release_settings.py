"""The product's settings for a process of the next release, whose open messages have one more field.

The rules of docs/messages.md (Versions) permit that within one version of the contract.
"""

import json
import sys

from django.apps import AppConfig

from payments_gateway.settings import *  # noqa: F403

FIELD = "of_the_next_release"


class NextRelease(AppConfig):
    """The app that adds the field. It is loaded last, after every module that encodes messages."""

    name = "tests.support"
    label = "next_release"

    def ready(self) -> None:
        from messaging.envelope import encode_body

        def encode(body: object) -> bytes:
            encoded = encode_body(body)
            if not getattr(type(body), "is_open", False):
                return encoded
            return json.dumps({**json.loads(encoded), FIELD: True}).encode()

        for module in list(sys.modules.values()):
            if getattr(module, "encode_body", None) is encode_body:
                module.encode_body = encode  # type: ignore[attr-defined]


INSTALLED_APPS = [*INSTALLED_APPS, "tests.support.next_release_settings.NextRelease"]  # noqa: F405
