"""The work of every compared system: read JSON, send a command to another process, and return its answer."""

import msgspec
from django.http import HttpRequest, HttpResponse

from checkout import problems
from checkout.conf import conf
from checkout.web.views.page import page
from messaging import rpc
from payments_gateway.serving.problems import MALFORMED
from payments_gateway.serving.views import csrf_exempt, held


@csrf_exempt
@held
@page("POST")
async def ask(request: HttpRequest) -> HttpResponse:
    """Check that the body is JSON, send it as a command, and answer with the result."""
    command = request.body
    try:
        msgspec.json.decode(command)
    except msgspec.DecodeError:
        return problems.respond(request, MALFORMED)
    result = await rpc.acall("benchmark", "benchmark.ask", command, timeout_seconds=conf.reply_budget_seconds)
    return HttpResponse(msgspec.json.encode(result), content_type="application/json")
