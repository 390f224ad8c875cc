"""Payment links that shoppers use after something else has changed."""

from io import StringIO

import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import call_command

from checkout.api.models import IdempotencyRecord
from checkout.payments.actions.staff.erasure import erase_payment
from checkout.payments.models import Merchant, Payment, PaymentLink
from checkout.states import PaymentState
from messaging.concurrency.database import in_thread
from tests.api.calling import header
from tests.api.test_payment_links import WANTED, _nobody_has_used_a_link, made, opened

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
        # As a release that is stricter than the one that made the link.
        await in_thread(lambda: PaymentLink.objects.update(description="Tea <b>\n"))
    answer = await opened(link)
    assert "No payment was begun, and nothing was charged. Please try the link once more." in answer.text
    assert "ask its sender for a new one" in answer.text
    assert f"{answer.status} · {code}<" in answer.text


async def test_a_link_leads_to_its_payment_although_that_was_erased(api):
    link = await made(api)
    first = await opened(link)

    def erase():
        Payment.objects.update(state=PaymentState.CAPTURED)
        erase_payment(Payment.objects.get().reference, by="ada", reason="GDPR")

    await in_thread(erase)
    second = await opened(link)
    assert (second.status, header(second, "Location")) == (303, header(first, "Location"))


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
        Payment.objects.update(state=PaymentState.CAPTURED)
        payment = Payment.objects.get().reference
        call_command("gateway", "erase", payment, "--by", "ada", "--reason", "GDPR", stdout=StringIO())

    kept = IdempotencyRecord.objects.filter(subject=link["id"])
    assert await in_thread(kept.exists)
    await in_thread(erase)
    assert not await in_thread(kept.exists)
