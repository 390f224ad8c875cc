"""A middleware that keeps the whole chain of the settings in one thread.

Django adapts a chain where it changes between functions and coroutines. Its own middleware can be both, and
as coroutines each of them goes to a thread and back for what it does before a view, and again for what it
does after it. Innermost and a plain function, this one lets Django change once, before the first.
"""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.utils.decorators import sync_only_middleware

GetResponse = Callable[[HttpRequest], HttpResponse]


@sync_only_middleware
def in_one_thread(get_response: GetResponse) -> GetResponse:
    """Do nothing else."""
    return get_response
