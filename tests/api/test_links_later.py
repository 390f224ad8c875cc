"""Payment links that shoppers use after a later change of settings, link or payment."""

from io import StringIO

import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import call_command

from checkout.api.models import IdempotencyRecord
from checkout.backoffice.models import MerchantAccess
from checkout.payments.actions.staff.erasure import erase_payment
from checkout.payments.models import Attempt, Merchant, Payment, PaymentLink, ProviderAccount
from checkout.states import PaymentState
from messaging.concurrency.database import in_thread
from tests.api.calling import header
from tests.api.test_payment_links import WANTED, _nobody_has_used_a_link, made, opened, path_of, token_of
from tests.support.asgi import AsgiClient

__all__ = ["_nobody_has_used_a_link"]

OLD, NEW = "https://shop.example", "https://new.example"
THANKS = f"{OLD}/thanks"


async def registered(*origins: str) -> None:
    await in_thread(lambda: Merchant.objects.update(return_origins=list(origins)))


async def test_a_link_leads_to_its_payment_although_the_origin_of_its_return_url_was_removed(api):
    await registered(OLD)
    link = await made(api, return_url=THANKS)
    first = await opened(link)
    await registered(NEW)
    second = await opened(link)
    assert (second.status, header(second, "Location")) == (303, header(first, "Location"))
    assert (await in_thread(Payment.objects.get)).return_url == THANKS


@pytest.mark.parametrize("reusable", [False, True])
async def test_a_link_pays_although_the_origin_of_its_return_url_was_removed_before_its_first_use(
    api, reusable
):
    await registered(OLD)
    link = await made(api, return_url=THANKS, reusable=reusable)
    await registered(NEW)
    first, second = await opened(link), await opened(link)
    assert (first.status, second.status) == (303, 303)
    assert (header(first, "Location") == header(second, "Location")) is not reusable
    payments = await in_thread(lambda: list(Payment.objects.all()))
    assert [payment.return_url for payment in payments] == [""] * (2 if reusable else 1)


async def test_a_link_uses_its_return_url_again_once_the_origin_is_registered_again(api):
    await registered(OLD)
    link = await made(api, return_url=THANKS, reusable=True)
    await registered()
    await opened(link)
    await registered(OLD)
    await opened(link)
    assert [each.return_url for each in await in_thread(lambda: list(Payment.objects.order_by("pk")))] == [
        "",
        THANKS,
    ]


@pytest.mark.parametrize(("is_taken", "code"), [(True, "conflict"), (False, "rejected")])
async def test_a_shopper_whose_link_cannot_make_a_payment_reads_what_to_do(api, is_taken, code):
    link = await made(api)
    if is_taken:
        assert (await api.post("/payments", {**WANTED, "amount": 99})).status == 201
    else:
        # As in a later release with stricter rules than those that the link was made by.
        await in_thread(lambda: PaymentLink.objects.update(description="Tea <b>\n"))
    answer = await opened(link)
    assert "No payment was begun, and nothing was charged. Please try the link once more." in answer.text
    assert "ask its sender for a new one" in answer.text
    assert f"{answer.status} · {code}<" in answer.text


OVER = (
    PaymentState.AUTHORISED,
    PaymentState.CAPTURED,
    PaymentState.REFUNDED,
    PaymentState.CHARGED_BACK,
    PaymentState.VOIDED,
)


@pytest.mark.parametrize("state", OVER)
async def test_who_opens_a_link_when_its_payment_is_over_learns_nothing_about_the_payer(api, state):
    link, browser = await made(api), AsgiClient()
    path = path_of(link)
    waiting = await browser.get(path)
    payment = header(await opened(link), "Location")

    def pay():
        Payment.objects.update(state=state)
        card = {"brand": "visa", "last4": "4242"}
        made_by = {"order_code": "P7K2-1", "provider_account": ProviderAccount.objects.first()}
        Attempt.objects.create(payment=Payment.objects.get(), number=1, card=card, **made_by)

    await in_thread(pay)
    # A page with the button may have been open for long.
    sent = await browser.post(path, {"csrfmiddlewaretoken": token_of(waiting)})
    assert (sent.status, header(sent, "Location")) == (303, path)
    later = await AsgiClient().get(path)
    assert later.status == 200
    assert ("This order is paid." in later.text) == (state in OVER[:2])
    assert "Nothing can be paid with this link any more." in later.text
    assert ("Continue to payment" in later.text, payment in later.text) == (False, False)
    result = await AsgiClient().get(f"{payment}result/")
    assert result.status == 200
    assert ("4242" in result.text, "Visa" in result.text) == (False, False)


@pytest.mark.parametrize("state", [PaymentState.OPEN, PaymentState.PROCESSING, PaymentState.REFUSED])
async def test_a_link_leads_to_its_payment_until_that_is_over(api, state):
    link = await made(api)
    first = await opened(link)
    await in_thread(lambda: Payment.objects.update(state=state))
    second = await opened(link)
    assert (second.status, header(second, "Location")) == (303, header(first, "Location"))


async def test_a_link_says_that_it_is_paid_although_its_payment_was_erased(api):
    link = await made(api)
    await opened(link)

    def erase():
        Payment.objects.update(state=PaymentState.CAPTURED)
        erase_payment(Payment.objects.get().reference, by="ada", reason="GDPR")

    await in_thread(erase)
    assert "This order is paid." in (await AsgiClient().get(path_of(link))).text


async def test_erasing_a_payment_leaves_its_metadata_on_no_link_for_it_alone(api):
    links = {name: await made(api, reusable=name == "reusable") for name in ("own", "unused", "reusable")}
    await opened(links["own"])

    def erase():
        Payment.objects.update(state=PaymentState.CAPTURED)
        erase_payment(Payment.objects.get(order_reference="L-1").reference, by="ada", reason="GDPR")
        return {row.reference: row.metadata for row in PaymentLink.objects.all()}

    left = await in_thread(erase)
    assert [left[links[name]["id"]] for name in links] == [{}, {}, WANTED["metadata"]]


async def test_the_stored_answer_with_a_link_is_erased_with_the_payment_of_the_link(api):
    link = await made(api)
    await opened(link)

    def erase():
        user = User.objects.create(username="ada", is_staff=True)
        user.user_permissions.add(Permission.objects.get(codename="erase_payment"))
        MerchantAccess.objects.create(user=user, is_unlimited=True)
        Payment.objects.update(state=PaymentState.CAPTURED)
        payment = Payment.objects.get().reference
        call_command("gateway", "erase", payment, "--by", "ada", "--reason", "GDPR", stdout=StringIO())

    kept = IdempotencyRecord.objects.filter(subject=link["id"])
    assert await in_thread(kept.exists)
    await in_thread(erase)
    assert not await in_thread(kept.exists)
