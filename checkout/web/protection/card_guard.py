"""The guard that refuses requests with card numbers, on the event loop and in threads."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar, cast
from urllib.parse import unquote_plus

from asgiref.sync import sync_to_async
from django.core.exceptions import BadRequest, SuspiciousOperation
from django.http import HttpRequest, HttpResponseBase, UnreadablePostError
from django.http.multipartparser import MultiPartParserError

from checkout import problems
from checkout.privacy.card_numbers import has_long_run
from checkout.privacy.scrubbing import contains_card_number
from checkout.web.challenge_return import allow_frames, is_return, with_retry
from checkout.web.pages import payment_page_of
from payments_gateway.serving.problems import MALFORMED, Problem
from payments_gateway.serving.scope import REFUSED
from payments_gateway.serving.security.hosts import require_known_host
from payments_gateway.serving.security.hybrid_middleware import HybridMiddleware

V = TypeVar("V", bound=Callable[..., Any])

# Identifiers with letters (UUIDs, sealed cards, tokens) may contain a long run of digits by chance. Each word
# is matched once, from its beginning. Matching from each character would take minutes for a body of digits.
_IDENTIFIER = re.compile(r"(?<![\w-])(?:[^\WA-Za-z_]++|-)*+[A-Za-z_][\w-]*")
# JSON may escape any character by its code. Characters beyond the first 65,536 need two escapes. If an escape
# for white space, such as \n, were not decoded, its letter would turn the digits after it into an identifier.
_ESCAPED = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|([\"\\/bfnrt]))")
_SHORT = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
# The content types that Django parses into ``request.POST``.
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
_UNREADABLE = (BadRequest, SuspiciousOperation, MultiPartParserError, UnreadablePostError)
_WITH_BODY = ("POST", "PUT", "PATCH")

# Larger bodies than those of our own forms are parsed and searched in a thread. There is only one thread, so
# that clients with such bodies wait for each other, and use a limited share of the processor.
LARGE_BODY_BYTES = 16_384
_reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="body")


class CardNumberGuardMiddleware(HybridMiddleware):
    """A middleware that refuses requests with a card number, or for an unknown host, without logging them.

    Views that are marked with ``exempt_from_card_guard`` get requests with card numbers as well.
    """

    def blocks(self, request: HttpRequest) -> bool:
        """See HybridMiddleware."""
        is_large = request.method in _WITH_BODY and len(request.body) > LARGE_BODY_BYTES
        return is_large and not (_is_exempt(request) or _refused(request))

    async def before_on_loop(self, request: HttpRequest) -> HttpResponseBase | None:
        """See HybridMiddleware."""
        return await sync_to_async(self.before, thread_sensitive=False, executor=_reader)(request)

    def before(self, request: HttpRequest) -> HttpResponseBase | None:
        refused = _refused(request)
        if refused:
            return _respond(request, refused)
        try:
            require_known_host(request)
            if _is_exempt(request):
                return None
            meta = request.META
            query = unquote_plus(meta.get("QUERY_STRING", ""))
            # These headers are stored, because they are sent to issuers.
            headers = f"{meta.get('HTTP_ACCEPT')}\n{meta.get('HTTP_USER_AGENT')}"
            text = _with_escapes_read(f"{request.path}\n{query}\n{headers}\n{_text_of(request)}")
        except _UNREADABLE:
            request._mark_post_parse_error()  # type: ignore[attr-defined]  # otherwise each access to POST raises again
            return _respond(request, MALFORMED)
        if has_long_run(text) and contains_card_number(_IDENTIFIER.sub(" ", text)):
            return _respond(request, problems.CARD_NUMBER)
        return None


def _respond(request: HttpRequest, problem: Problem) -> HttpResponseBase:
    if is_return(request):
        allow_frames(request)
        problem = with_retry(problem)
    # The page of the problem links back to the payment.
    return problems.respond(request, problem, back=payment_page_of(request))


def _refused(request: HttpRequest) -> Problem | None:
    """Return the problem with which the server or an outer ASGI layer refuses the request, or None."""
    return cast(Problem | None, getattr(request, "scope", {}).get(REFUSED))


def _text_of(request: HttpRequest) -> str:
    if request.method not in _WITH_BODY:
        return ""
    text = request.body.decode("utf-8", "replace")
    if request.content_type not in _FORMS:
        return text
    # The form is parsed here, where a malformed form can still be answered. The fields are searched as the
    # view will see them, because a part may have its own encoding.
    try:
        posted = request.POST
    except (LookupError, ValueError):
        raise BadRequest("The form's charset is not one of text, or the form is not encoded in it.") from None
    fields = "\n".join(part for name, values in posted.lists() for part in (name, *values))
    try:
        fields.encode()
    except UnicodeEncodeError:
        # A part in UTF-7 may contain an unpaired surrogate, which no database can store.
        raise BadRequest("The form contains an unpaired surrogate.") from None
    return f"{text}\n{fields}"


def _with_escapes_read(text: str) -> str:
    if "\\" not in text:
        return text
    read = _ESCAPED.sub(_read, text)
    return f"{text}\n{read.encode('utf-16', 'surrogatepass').decode('utf-16', 'replace')}"


def _read(escape: re.Match[str]) -> str:
    return chr(int(escape[1], 16)) if escape[1] else _SHORT.get(escape[2], escape[2])


def exempt_from_card_guard(view: V) -> V:
    """Mark a view that removes card numbers itself and must not lose requests.

    The guard lets its requests pass.
    """
    view.is_exempt_from_card_guard = True  # type: ignore[attr-defined]
    return view


def _is_exempt(request: HttpRequest) -> bool:
    match = request.resolver_match
    return match is not None and getattr(match.func, "is_exempt_from_card_guard", False)
