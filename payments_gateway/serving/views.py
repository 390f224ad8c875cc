"""Marks that say how a view is run, and the look-up of the view that has a request's address.

A mark is an attribute of the view, which decorators made with ``functools.wraps`` copy. A view without a mark
is a page: it is run by Django's own request cycle, behind the settings' middleware, and takes a thread.
"""

from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Any, TypeVar

from asgiref.sync import iscoroutinefunction
from django.urls import Resolver404, ResolverMatch, URLResolver, get_resolver

from payments_gateway.serving.conf import conf
from payments_gateway.serving.scope import MATCH, Scope

V = TypeVar("V", bound=Callable[..., Awaitable[Any]])

# Longer paths are not cached: those of our pages contain tokens and are requested once, and any others may be
# invented.
LONGEST_KEPT_PATH = 80
# No view has a longer path. The longest, with a token or a row's key, have about 200 characters. To compare a
# path of the largest size with all patterns would take the event loop several milliseconds.
LONGEST_PATH = 512
# The part that is taken from the end of a longer path. It contains the last names in an address of the API,
# such as /refund, which choose the view.
LONGEST_END = 64


def held(view: V) -> V:
    """Run an asynchronous view on the event loop, and count its requests in the concurrency limit.

    The view may wait for long, and holds no thread and no database connection meanwhile. It has no session,
    no user and no messages. It returns a whole response, and does database work in
    ``messaging.concurrency.database.in_thread``.
    """
    view.is_held = True  # type: ignore[attr-defined]
    return on_event_loop(view)


def on_event_loop(view: V) -> V:
    """Run an asynchronous view on the event loop as ``held`` does, without counting its requests."""
    is_asynchronous: bool = iscoroutinefunction(view)
    if not is_asynchronous:
        raise TypeError(f"{view!r} would block the event loop: it is no coroutine function.")
    view.is_on_event_loop = True  # type: ignore[attr-defined]
    return view


def for_programs(view: V) -> V:
    """Answer the view's refusals and errors with problem documents, whatever the client prefers."""
    view.is_for_programs = True  # type: ignore[attr-defined]
    return view


def csrf_exempt(view: V) -> V:
    """Let another site post to an asynchronous view. Django's decorator would add another coroutine."""
    view.csrf_exempt = True  # type: ignore[attr-defined]  # what CsrfViewMiddleware looks for
    return view


def for_unknown_addresses(view: V) -> V:
    """Mark the view of all unknown addresses, so that matches are not cached, and no redirect leads to it.

    Django marks such a view of the admin in the same way (``no_append_slash``).
    """
    view.should_append_slash = False  # type: ignore[attr-defined]
    return view


def is_ours(match: ResolverMatch) -> bool:
    """Return False if the view is the one for unknown addresses."""
    return bool(getattr(match.func, "should_append_slash", True))


def is_held(match: ResolverMatch | None) -> bool:
    """Return True if the concurrency limit counts the view's requests."""
    return match is not None and getattr(match.func, "is_held", False)


def is_on_event_loop(match: ResolverMatch | None) -> bool:
    """Return True if the view runs on the event loop."""
    return match is not None and getattr(match.func, "is_on_event_loop", False)


def is_for_programs(match: ResolverMatch | None) -> bool:
    """Return True if the view's problems are answered with problem documents."""
    return match is not None and getattr(match.func, "is_for_programs", False)


def resolve(scope: Scope) -> ResolverMatch | None:
    """Look up the view of a request's address, and keep the match in the request's scope.

    Return None, and keep nothing, for an address without a view and for that of a static file.
    """
    path: str = scope["path"].removeprefix(scope.get("root_path", ""))  # as in ASGIRequest
    if path.startswith(conf.static_path):
        return None
    try:
        match = look_up(path)
    except Resolver404:
        return None
    scope[MATCH] = match
    return match


def look_up(path: str) -> ResolverMatch:
    """Return the match of a path below the script's prefix. Raises ``Resolver404``.

    Matches are cached, because pages that poll repeat the same addresses. Those of unknown addresses are not,
    because anybody can invent any number of them. A path that is too long for any view is shortened to its
    beginning and its end, which lead to the view for unknown addresses of the same part of the site.
    """
    if len(path) > LONGEST_PATH:
        path = path[: LONGEST_PATH - LONGEST_END] + path[-LONGEST_END:]
    # Django's settings are read through ``conf``, because each look at them takes 1 µs.
    resolver = get_resolver(conf.root_urlconf)
    if len(path) > LONGEST_KEPT_PATH:
        return resolver.resolve(path)
    try:
        return _look_up_again(resolver, path)
    except _UnknownAddress as unknown:
        return unknown.match


class _UnknownAddress(Exception):
    """The match of an unknown address. It is raised because the cache keeps no exceptions."""

    def __init__(self, match: ResolverMatch) -> None:
        super().__init__()
        self.match = match


@lru_cache(maxsize=1024)
def _look_up_again(resolver: URLResolver, path: str) -> ResolverMatch:
    match = resolver.resolve(path)
    if not is_ours(match):
        raise _UnknownAddress(match)
    match.tried = None  # the patterns that were compared, which only Django's debug page shows
    return match
