"""Django's error page and error e-mail without the passwords that addresses contain."""

from typing import Any

from django.http import HttpRequest
from django.views.debug import SafeExceptionReporterFilter

from checkout.privacy.scrubbing import scrub_text


class WithoutPasswords(SafeExceptionReporterFilter):
    """A filter that also hides secrets that ``scrub_text`` finds; Django only hides values by name."""

    def cleanse_setting(self, key: Any, value: Any) -> Any:
        """Return a setting's value with its secrets hidden."""
        return _scrubbed(super().cleanse_setting(key, value))

    def get_traceback_frame_variables(self, request: HttpRequest | None, tb_frame: Any) -> Any:
        """Return a frame's variables with their secrets hidden."""
        variables = super().get_traceback_frame_variables(request, tb_frame)
        return [(name, _scrubbed(value)) for name, value in variables]


def _scrubbed(value: Any) -> Any:
    """Return the value; if its representation contains a secret, return that representation without it."""
    if isinstance(value, str):
        return scrub_text(value)
    try:
        text = repr(value)
    except Exception:
        # An object whose representation fails must not break the page about another error.
        return value
    clean = scrub_text(text)
    return value if clean == text else clean
