"""The common behaviour of all pages: allowed methods, pages for errors, and no caching."""

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, Concatenate, ParamSpec

import structlog
from django.http import HttpRequest, HttpResponse

from checkout import problems
from checkout.web.challenge_return import is_return, with_retry
from checkout.web.pages import payment_page_of
from checkout.web.rendering import switched_language

log = structlog.get_logger(__name__)

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], Coroutine[Any, Any, HttpResponse]]


def page(*methods: str) -> Callable[[View[P]], View[P]]:
    """Turn an asynchronous view into a page. Other methods get 405, and expected errors get their page."""

    def decorate(view: View[P]) -> View[P]:
        @wraps(view)
        async def answer(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
            if request.method not in methods:
                problem = problems.method_not_allowed(methods)
            elif request.method == "GET" and (switched := switched_language(request)) is not None:
                return switched
            else:
                try:
                    response = await view(request, *args, **kwargs)
                except problems.EXPECTED as error:
                    problem = problems.problem_of(error)
                    log.info("refused", path_name=view.__name__, status=problem.status, reason=repr(error))
                else:
                    response.headers.setdefault("Cache-Control", "no-store")
                    return response
            if is_return(request):
                problem = with_retry(problem)
            back = "" if problem is problems.PAYMENT_NOT_FOUND else payment_page_of(request)
            return problems.respond(request, problem, back=back)

        return answer

    return decorate


def see_other(path: str) -> HttpResponse:
    """Redirect to a GET, so that a reload does not repeat the action."""
    return HttpResponse(status=303, headers={"Location": path})
