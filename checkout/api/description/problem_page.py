"""The page about a problem, at the address in the problem's ``type``."""

from functools import lru_cache

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.html import format_html, format_html_join

from checkout import problems
from checkout.api.answers.catalogue import CATALOGUE
from payments_gateway.serving.problems import Problem, document_of
from payments_gateway.serving.views import csrf_exempt, on_event_loop

# Problems that only pages for people answer with. Their ``type`` addresses have a page, too.
_OF_PAGES = {
    value.code: value
    for value in vars(problems).values()
    if isinstance(value, Problem) and value.code not in CATALOGUE
}


@csrf_exempt  # it only reads
@on_event_loop
async def problem_page(request: HttpRequest, code: str) -> HttpResponse:
    """Return a page with the meaning of a problem and advice for developers."""
    entry, of_pages = CATALOGUE.get(code), _OF_PAGES.get(code)
    if request.method not in ("GET", "HEAD"):
        return problems.respond(request, problems.method_not_allowed(("GET", "HEAD")))
    if entry is not None:
        return HttpResponse(
            _page(entry.problem, entry.advice), headers={"Cache-Control": "public, max-age=300"}
        )
    if of_pages is not None:
        return HttpResponse(_page(of_pages, ""), headers={"Cache-Control": "public, max-age=300"})
    return problems.respond(request, problems.NOT_FOUND)


@lru_cache(maxsize=256)
def _page_of(type: str, title: str, status: int, detail: str, advice: str) -> str:
    context = {
        "type": type,
        "title": title,
        "status": status,
        "detail": _with_code(detail),
        "advice": _with_code(advice),
    }
    return render_to_string("api/problem.html", context)


def _with_code(text: str) -> str:
    """Return a text of the catalogue as HTML. Text between backticks becomes code."""
    parts = enumerate(text.split("`"))
    return format_html_join(
        "", "{}", ((format_html("<code>{}</code>", part) if at % 2 else part,) for at, part in parts)
    )


def _page(problem: Problem, advice: str) -> str:
    type = str(document_of(problem)["type"])
    return _page_of(type, problem.title, problem.status, problem.detail, advice)
