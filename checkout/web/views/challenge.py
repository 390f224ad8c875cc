"""The pages before and after the issuer's challenge."""

from django.http import HttpRequest, HttpResponse

from checkout import problems
from checkout.conf import conf
from checkout.errors import IllegalTransition, TokenRejected
from checkout.payments import actions
from checkout.payments.actions import ChallengePage, PaymentView
from checkout.web.challenge_return import allow_frames, issuers
from checkout.web.forms import ReturnForm
from checkout.web.held_tier import commit_and_answer
from checkout.web.pages import CHALLENGE, page_of, path_of, payment_page_of
from checkout.web.rendering import in_language_of_shopper
from checkout.web.views.page import page, see_other
from messaging.concurrency.database import in_thread
from payments_gateway.serving.security.headers import content_security
from payments_gateway.serving.views import csrf_exempt, held


@held
@page("GET", "HEAD")
async def challenge(request: HttpRequest, reference: str) -> HttpResponse:
    """Send the shopper to the issuer, in this window or in a frame."""
    try:
        shown = await in_thread(_challenge_or_payment, reference)
    except TokenRejected:
        return problems.respond(request, problems.CHALLENGE_OVER, back=payment_page_of(request))
    if isinstance(shown, PaymentView):
        return see_other(path_of(reference, shown.state))
    policy = content_security(request)
    policy.allow("form-action", *issuers())  # browsers apply it to every redirect, like frame-src
    template = "checkout/challenge.html"
    context: dict[str, object] = {"page": shown}
    if shown.window != "fullPage":
        policy.allow("frame-src", "'self'", *issuers())
        width, _, height = shown.window.partition("x")
        template = "checkout/challenge_frame.html"
        context |= {"width": width, "height": height}
    with in_language_of_shopper(request, shown.payment) as reader:
        return reader.payment_page(template, shown.payment, context, may_switch=False)


def _challenge_or_payment(reference: str) -> ChallengePage | PaymentView:
    """Return the challenge, or the payment if it needs none now, as after a reload."""
    try:
        return actions.challenge_page(reference)
    except IllegalTransition:
        payment = actions.payment_view(reference)
        if page_of(payment.state) == CHALLENGE:
            raise
        return payment


@csrf_exempt
@held
@page("GET", "POST")
async def challenge_return(request: HttpRequest, reference: str, token: str) -> HttpResponse:
    """Handle the shopper's return from the ACS. The form comes from another site, so cookies are not used."""
    allow_frames(request)
    form = ReturnForm(request.POST if request.method == "POST" else request.GET)
    form.full_clean()
    state = await commit_and_answer(
        "",  # no card, because the provider already has it
        conf.reply_budget_seconds,
        lambda message_id: actions.return_from_challenge(
            reference,
            token,
            transaction_id=form.cleaned_data["TransactionId"],
            merchant_data=form.cleaned_data["MD"],
            message_id=message_id,
        ),
    )
    path = path_of(reference, state)
    if not _is_framed(request):
        response = see_other(path)
    else:
        with in_language_of_shopper(request) as reader:
            response = reader.page("checkout/leave_frame.html", {"path": path}, may_switch=False)
    response.headers["Referrer-Policy"] = "no-referrer"  # a Referer must not reveal the token
    return response


def _is_framed(request: HttpRequest) -> bool:
    """Return True if the answer will be shown in a frame. Older browsers do not say."""
    destination = request.headers.get("Sec-Fetch-Dest")
    if destination is None:
        return conf.challenge_window != "fullPage"
    return destination != "document"
