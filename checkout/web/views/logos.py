"""The logos of merchants, from our own address, so that no other host learns of shoppers."""

from django.http import HttpRequest, HttpResponse

from checkout import problems
from checkout.payments.logos import MEDIA_TYPES
from checkout.payments.models import Logo
from checkout.web.views.page import page
from messaging.concurrency.database import in_thread
from payments_gateway.serving.views import held

_A_YEAR = "public, max-age=31536000, immutable"


@held
@page("GET", "HEAD")
async def logo(request: HttpRequest, name: str) -> HttpResponse:
    """Send an image. Its name changes with its content, so browsers keep it."""
    found = await in_thread(lambda: Logo.objects.filter(name=name).first())
    if found is None:
        return problems.respond(request, problems.NOT_FOUND)
    media_type = MEDIA_TYPES[name.rpartition(".")[2]]
    return HttpResponse(bytes(found.content), content_type=media_type, headers={"Cache-Control": _A_YEAR})
