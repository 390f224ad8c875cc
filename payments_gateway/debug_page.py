"""Django's page about an exception, and its e-mail, without the passwords that addresses carry."""

from typing import Any

from django.http import HttpRequest
from django.views.debug import SafeExceptionReporterFilter

from checkout.scrubbing import scrub_text


class WithoutPasswords(SafeExceptionReporterFilter):
    """Hides what Django hides by name, and in every other text what ``scrub_text`` knows as a secret."""

    def cleanse_setting(self, key: Any, value: Any) -> Any:
        """Return a setting's value as it may be shown."""
        return _scrubbed(super().cleanse_setting(key, value))

    def get_traceback_frame_variables(self, request: HttpRequest | None, tb_frame: Any) -> Any:
        """Return a frame's variables as they may be shown."""
        variables = super().get_traceback_frame_variables(request, tb_frame)
        return [(name, _scrubbed(value)) for name, value in variables]


def _scrubbed(value: Any) -> Any:
    """Return the value, or, if its representation holds a secret, that representation without it."""
    if isinstance(value, str):
        return scrub_text(value)
    try:
        text = repr(value)
    except Exception:
        # A broken representation must not break the page about another error.
        return value
    clean = scrub_text(text)
    return value if clean == text else clean
