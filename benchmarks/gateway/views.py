"""The work that every peer does: JSON in, a command to another process, JSON back."""

import msgspec
from django.http import HttpRequest, HttpResponse

from checkout import problems
from checkout.conf import conf
from checkout.security import csrf_exempt
from checkout.views.page import page
from messaging import rpc


@csrf_exempt
@page("POST")
async def ask(request: HttpRequest) -> HttpResponse:
    """Pass the body on once it is known to be JSON, and answer with the result."""
    command = request.body
    try:
        msgspec.json.decode(command)
    except msgspec.DecodeError:
        return problems.respond(request, problems.MALFORMED)
    result = await rpc.acall("benchmark", "benchmark.ask", command, timeout_seconds=conf.reply_budget_seconds)
    return HttpResponse(msgspec.json.encode(result), content_type="application/json")
