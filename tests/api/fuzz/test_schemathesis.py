"""Requests that are generated from the OpenAPI document: the document has each of the answers.

``make fuzz`` sends many more of them to a running stack.
"""

import pytest
from hypothesis import HealthCheck, settings as hypothesis_settings

from checkout.api.access.keys import make_key
from checkout.payments.models import Attempt, Payment
from payments_gateway.asgi import application
from tests.api.fuzz.generated import aim, call, loaded

# Each run has the same requests. Some 60 more of each operation are derived from its schema, not drawn.
EXAMPLES = 5


async def without_back_end(scope, receive, send):
    """Serve requests without the back end, because the client would start and stop it for each request."""
    if scope["type"] != "lifespan":
        await application(scope, receive, send)
        return
    for _ in range(2):
        message = await receive()
        await send({"type": f"{message['type']}.complete"})


schema = loaded()
schema.app = without_back_end


@pytest.fixture
def authorised(manual, settings):
    """Return a payment that can be captured. No request is held, as the back end does not run."""
    settings.CHECKOUT_API_LONGEST_WAIT_SECONDS = 0
    settings.CHECKOUT_API_REQUESTS = 1_000_000
    account = manual.merchant.provider_accounts.get()
    Attempt.objects.create(
        payment=manual, number=1, provider_account=account, order_code="code-1", state="authorised"
    )
    Payment.objects.filter(pk=manual.pk).update(state="authorised")
    return manual


@pytest.fixture
def headers(authorised):
    """Return the headers for all requests of an operation. A key for each would cost as much again."""
    secret = make_key(authorised.merchant, name="fuzz", by="ada")[1]
    return {"Authorization": f"Bearer {secret}", "Host": "localhost"}


@schema.parametrize()
@hypothesis_settings(
    max_examples=EXAMPLES,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
def test_every_answer_is_one_that_the_document_has(case, authorised, headers):
    aim(case, {"pay": [authorised.reference]})
    call(case, headers)
