"""Four eyes: another member of staff approves or declines a request, and never the same person."""

from datetime import timedelta

import pytest
import time_machine
from django.contrib.auth.models import Permission, User
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from checkout.api.models import ApiKey
from checkout.backoffice.models import MerchantAccess
from checkout.errors import ApprovalRequired
from checkout.money import Money
from checkout.payments import actions
from checkout.payments.models import (
    ApprovalRequest,
    ApprovalRule,
    Fact,
    Operation,
    OutboxMessage,
    Payment,
    ProviderAccount,
)
from checkout.payments.sagas.settlement.matter import seen_of_payment
from tests.backoffice import rows
from tests.backoffice.operating import address, confirm, fill_in, told
from tests.backoffice.recorded import entries
from tests.backoffice.test_audit_is_complete import account_form

pytestmark = pytest.mark.django_db

MONEY = ("view_payment", "request_refund", "request_capture", "settle_operation")
SEES = "view_approvalrequest"


def person(name, *permissions):
    """Log in a member of staff who sees all merchants."""
    user = User.objects.create(username=name, is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=(SEES, *permissions)))
    MerchantAccess.objects.create(user=user, is_unlimited=True)
    browser = Client()
    browser.force_login(user)
    return browser


@pytest.fixture
def ada(db):
    return person("ada", *MONEY, "approve_money", "manage_apikey", "view_apikey", "approve_configuration")


@pytest.fixture
def grace(db):
    return person("grace", *MONEY, "approve_money", "approve_configuration")


@pytest.fixture
def limit(db):
    """Allow one member of staff to move £5.00, and not more."""
    return ApprovalRule.objects.create(
        merchant=rows.merchant(), matter="money", currency="GBP", above_minor=500
    )


def rule(matter):
    return ApprovalRule.objects.create(merchant=rows.merchant(), matter=matter)


def page(name, row=None):
    row = row or ApprovalRequest.objects.get()
    return reverse(f"admin:payments_approvalrequest_{name}", args=[row.pk])


def approve(browser, row=None):
    return browser.post(page("approve", row))


def refunds():
    return list(Operation.objects.filter(kind="refund"))


def shown(browser, where):
    return browser.get(where).content.decode()


def test_a_refund_up_to_the_limit_is_requested_at_once(limit, ada):
    confirm(ada, rows.captured(), "refund", amount="5.00")
    assert len(refunds()) == 1
    assert not ApprovalRequest.objects.exists()


def test_a_larger_one_waits_until_another_member_of_staff_approves_it(limit, ada, grace):
    payment = rows.captured()
    asked = fill_in(ada, payment, "refund", amount="5.01").content.decode()
    assert "Nothing happens before another member of staff approves it" in asked
    assert "Ask for approval: Refund £5.01" in asked
    answer = confirm(ada, payment, "refund", amount="5.01")
    row = ApprovalRequest.objects.get()
    assert (refunds(), OutboxMessage.objects.count(), answer["Location"]) == ([], 0, page("change"))
    assert told(answer) == ["Requested. Nothing happens before another member of staff approves it."]
    assert "It waits for your decision." in shown(grace, page("change"))
    for text in ("Refund £5.01 of order ORDER-1", "ada", "Damaged", "£12.50"):
        assert text in shown(grace, page("approve"))
    assert told(approve(grace)) == ["Approved."]
    [refund] = refunds()
    assert (refund.amount, refund.requested_by, refund.reason) == (Money(501, "GBP"), "ada", "Damaged")
    row.refresh_from_db()
    assert (row.state, row.decided_by, row.outcome) == ("done", "grace", f"Refund {refund.reference}")
    approved, requested = entries()
    assert (requested.by, requested.action, requested.payment) == (
        "ada",
        "ask_for_approval",
        payment.reference,
    )
    assert (approved.by, approved.action, approved.payment) == ("grace", "approve", payment.reference)


def test_several_small_refunds_of_a_payment_do_not_pass_below_the_limit(limit, ada):
    payment = rows.captured()
    confirm(ada, payment, "refund", amount="3.00")
    confirm(ada, payment, "refund", amount="3.00")
    assert [refund.amount_minor for refund in refunds()] == [300]
    assert ApprovalRequest.objects.get().amount_minor == 300


def test_a_capture_is_counted_like_a_refund_and_other_currencies_are_not(limit, ada):
    confirm(ada, rows.authorised("HELD"), "capture", amount="12.50")
    confirm(ada, rows.captured("YEN", currency="JPY", amount_minor=240_000), "refund")
    assert [row.action for row in ApprovalRequest.objects.all()] == ["capture"]
    assert [refund.currency for refund in refunds()] == ["JPY"]


def test_nobody_approves_or_declines_what_they_have_requested(limit, ada):
    confirm(ada, rows.captured(), "refund", amount="10.00")
    own = shown(ada, page("change"))
    assert "Another member of staff has to decide on what you have requested." in own
    assert page("approve") not in own
    for name in ("approve", "decline"):
        answer = ada.post(page(name), {"reason": "x"})
        assert "Another member of staff has to decide" in told(answer)[-1]
    assert ApprovalRequest.objects.get().state == "waiting"
    assert not refunds()


def test_not_even_the_database_takes_an_approval_by_the_requester(limit, ada):
    confirm(ada, rows.captured(), "refund", amount="10.00")
    row = ApprovalRequest.objects.get()
    decided = {"state": "approved", "decided_by": "eve", "decided_at": timezone.now()}
    with pytest.raises(IntegrityError), transaction.atomic():
        ApprovalRequest.objects.update(**decided, decided_by_user=row.requested_by_user)
    with pytest.raises(IntegrityError), transaction.atomic():
        ApprovalRequest.objects.update(**decided)


def test_who_may_not_approve_is_not_offered_it_and_refused(limit, ada):
    confirm(ada, rows.captured(), "refund", amount="10.00")
    viewer = person("viewer", "view_payment", "approve_configuration")
    assert page("approve") not in shown(viewer, page("change"))
    for name in ("approve", "decline", "withdraw", "make_key"):
        assert viewer.post(page(name), {"reason": "x"}).status_code in (302, 403)
    assert ApprovalRequest.objects.get().state == "waiting"


def test_a_declined_request_does_nothing_and_keeps_the_reason(limit, ada, grace):
    confirm(ada, rows.captured(), "refund", amount="10.00")
    assert grace.post(page("decline")).status_code == 200, "a reason is needed"
    grace.post(page("decline"), {"reason": "It was delivered"})
    assert "Approve: it was decided meanwhile" in told(approve(grace))[-1]
    row = ApprovalRequest.objects.get()
    assert (row.state, row.decided_by, row.decision_reason, refunds()) == (
        *("declined", "grace", "It was delivered"),
        [],
    )
    assert "It was delivered" in shown(ada, page("change"))
    assert entries().first().action == "decline"


def test_a_requester_withdraws_a_request_and_nobody_else_does(limit, ada, grace):
    confirm(ada, rows.captured(), "refund", amount="10.00")
    assert grace.post(page("withdraw")).status_code == 403
    ada.post(page("withdraw"))
    assert ApprovalRequest.objects.get().state == "withdrawn"
    approve(grace)
    assert not refunds()


def test_a_form_that_is_sent_twice_makes_one_request_and_approving_twice_one_refund(limit, ada, grace):
    payment = rows.captured()
    form = {"amount": "10.00", "key": "0e9d3d3c-3b3a-4b3a-8b3a-0e9d3d3c3b3a"}
    confirm(ada, payment, "refund", **form)
    again = confirm(ada, payment, "refund", **form)
    assert told(again) == ["This had been requested before, once."]
    for _ in range(2):
        approve(grace)
    assert len(refunds()) == ApprovalRequest.objects.count() == 1
    assert entries().count() == 2


def test_a_request_is_not_carried_out_if_the_payment_has_changed_since(limit, ada, grace):
    payment = rows.captured()
    confirm(ada, payment, "refund", amount="6.00")
    confirm(ada, payment, "refund", amount="4.00")
    first = ApprovalRequest.objects.get()
    assert [refund.amount_minor for refund in refunds()] == [400]
    assert "Something has changed since it was requested" in told(approve(grace, first))[-1]
    first.refresh_from_db()
    assert first.state == "waiting"
    assert [refund.amount_minor for refund in refunds()] == [400]
    assert "£8.50" in shown(grace, page("approve", first)), "what is left now"


def test_after_its_time_nothing_is_approved(limit, ada, grace, settings):
    confirm(ada, rows.captured(), "refund", amount="10.00")
    with time_machine.travel(timezone.now() + timedelta(days=3, seconds=1)):
        late = person("late", *MONEY, "approve_money")
        assert "Nobody has decided in time" in shown(late, page("change"))
        assert "its time has passed" in told(approve(late))[-1]
        with pytest.raises(IntegrityError), transaction.atomic():
            ApprovalRequest.objects.update(
                state="approved", decided_by="x", decided_by_user=0, decided_at=timezone.now()
            )
    assert not refunds()


def test_it_is_counted_among_what_needs_attention_until_it_is_decided(limit, ada, grace):
    confirm(ada, rows.captured(), "refund", amount="10.00")
    listed = reverse("admin:payments_approvalrequest_changelist") + "?status=waiting"
    for where in (reverse("admin:index"), reverse("admin:payments_payment_attention")):
        assert listed in shown(grace, where)
    assert grace.get(listed).context["cl"].result_count == 1
    assert "Waits for approval: Refund £10.00" in shown(grace, address(Payment.objects.get(), "change"))
    approve(grace)
    assert grace.get(listed).context["cl"].result_count == 0


def test_no_caller_can_leave_the_approval_out_and_a_program_needs_none(limit):
    payment = rows.captured()
    amount = Money(501, "GBP")
    with pytest.raises(ApprovalRequired):
        actions.request_refund(payment.reference, amount=amount, by="ada")
    view = actions.request_refund(payment.reference, amount=amount, by="shop", merchant=payment.merchant)
    assert view.amount == amount


def test_an_approval_allows_what_it_says_and_no_other_amount(limit, ada):
    payment = rows.captured()
    confirm(ada, payment, "refund", amount="6.00")
    row = ApprovalRequest.objects.get()
    with pytest.raises(ApprovalRequired):
        actions.request_refund(payment.reference, amount=row.amount, by="ada", approval=row)
    row.state = "approved"
    with pytest.raises(ApprovalRequired):
        actions.request_refund(payment.reference, amount=Money(700, "GBP"), by="ada", approval=row)


def test_settling_waits_for_an_approval_if_a_rule_says_so(ada, grace):
    rule("settlement")
    payment = rows.captured()
    fields = {"seen": seen_of_payment(payment), "said": "not_held", "captured": "12.50", "refunded": "3.00"}
    more = {"charged_back": "0.00", "reason": "Seen", "confirmed": "yes", "order_number": "ORDER-1"}
    for _ in range(2):
        ada.post(address(payment, "settle"), fields | more)
    assert not Fact.objects.exists()
    assert told(approve(grace)) == ["Approved."]
    assert Fact.objects.get().data["by"] == "ada"
    assert OutboxMessage.objects.filter(type="checkout.settle_books").count() == 1
    row = ApprovalRequest.objects.get()
    assert (row.state, row.decided_by) == ("done", "grace")


def test_an_approved_settlement_is_not_carried_out_if_more_is_known_by_then(ada, grace):
    rule("settlement")
    payment = rows.captured()
    fields = {"seen": seen_of_payment(payment), "said": "not_held", "captured": "12.50", "refunded": "3.00"}
    more = {"charged_back": "0.00", "reason": "Seen", "confirmed": "yes", "order_number": "ORDER-1"}
    ada.post(address(payment, "settle"), fields | more)
    rows.operation(payment, "refund", 300, state="done")
    assert "More has become known" in told(approve(grace))[-1]
    assert (Fact.objects.count(), ApprovalRequest.objects.get().state) == (0, "waiting")


def key_form():
    return {"merchant": rows.merchant().pk, "name": "shop", "scopes": ["payments:read"]}


def test_an_approved_key_is_made_by_its_requester_who_alone_sees_the_secret(ada, grace):
    rule("keys")
    form = {**key_form(), "form_key": "0e9d3d3c-3b3a-4b3a-8b3a-0e9d3d3c3b3a"}
    for _ in range(2):
        ada.post(reverse("admin:api_apikey_add"), form)
    assert "only its requester can" in told(ada.post(page("make_key")))[-1], "it is not approved yet"
    assert "payments:read" in shown(grace, page("approve"))
    approve(grace)
    assert not ApiKey.objects.exists()
    assert grace.post(page("make_key")).status_code == 403
    made = ada.post(page("make_key"))
    assert "no-store" in made["Cache-Control"]
    assert ApiKey.objects.get().prefix in made.content.decode()
    assert (ApiKey.objects.get().created_by, ApprovalRequest.objects.get().state) == ("ada", "done")
    assert "only its requester can" in told(ada.post(page("make_key")))[-1]
    assert ApiKey.objects.count() == 1


def test_a_key_is_replaced_after_an_approval(ada, grace):
    ada.post(
        reverse("admin:api_apikey_add"), {**key_form(), "form_key": "0e9d3d3c-3b3a-4b3a-8b3a-000000000001"}
    )
    rule("keys")
    old = ApiKey.objects.get()
    form = {"hours": 1, "form_key": "0e9d3d3c-3b3a-4b3a-8b3a-000000000002"}
    ada.post(reverse("admin:api_apikey_rotate", args=[old.pk]), form)
    assert ApiKey.objects.count() == 1
    approve(grace)
    assert ada.post(page("make_key")).status_code == 200
    assert ApiKey.objects.exclude(pk=old.pk).get().replaces_id == old.pk


@pytest.fixture
def hopper(db):
    """An administrator who may edit provider accounts."""
    return person(
        "hopper",
        *("view_provideraccount", "add_provideraccount", "change_provideraccount", "delete_provideraccount"),
    )


def edit_account(browser, account, **fields):
    return browser.post(
        reverse("admin:payments_provideraccount_change", args=[account.pk]),
        {**account_form(), **{f"initial-{name}": value for name, value in account_form().items()}, **fields},
    )


def test_a_change_of_a_provider_account_is_made_after_an_approval(hopper, grace):
    rule("accounts")
    account = rows.account()
    for _ in range(2):
        edit_account(hopper, account, merchant_code="ANOTHER")
    account.refresh_from_db()
    assert account.merchant_code == "EXAMPLECODE"
    assert "EXAMPLECODE becomes ANOTHER" in shown(grace, page("approve"))
    assert told(approve(grace)) == ["Approved."]
    account.refresh_from_db()
    assert account.merchant_code == "ANOTHER"


def test_an_account_that_has_changed_since_is_not_overwritten(hopper, grace):
    rule("accounts")
    account = rows.account()
    edit_account(hopper, account, merchant_code="ANOTHER")
    ProviderAccount.objects.update(merchant_code="THIRD")
    assert "Something has changed" in told(approve(grace))[-1]
    account.refresh_from_db()
    assert account.merchant_code == "THIRD"


def test_accounts_are_added_and_deleted_after_an_approval(hopper, grace):
    rule("accounts")
    form = account_form(code="another", merchant=rows.merchant().pk)
    hopper.post(reverse("admin:payments_provideraccount_add"), form)
    assert not ProviderAccount.objects.exists()
    approve(grace)
    account = ProviderAccount.objects.get()
    assert (account.code, account.merchant) == ("another", rows.merchant())
    hopper.post(reverse("admin:payments_provideraccount_delete", args=[account.pk]), {"post": "yes"})
    chosen = {"action": "delete_selected", "_selected_action": [account.pk], "post": "yes"}
    hopper.post(reverse("admin:payments_provideraccount_changelist"), chosen)
    assert ProviderAccount.objects.exists()
    approve(grace, ApprovalRequest.objects.first())
    assert not ProviderAccount.objects.exists()


@pytest.mark.parametrize(
    ("form", "told_so"),
    [
        ({"matter": "money", "currency": "", "above_minor": "5"}, "Enter a currency"),
        ({"matter": "money", "currency": "GBP", "above_minor": "5.001"}, "This is not an amount in GBP"),
        ({"matter": "keys", "currency": "GBP"}, "Only refunds and captures have a currency"),
    ],
)
def test_a_rule_that_means_nothing_is_refused(admin_client, form, told_so):
    answer = admin_client.post(
        reverse("admin:payments_approvalrule_add"), {"merchant": rows.merchant().pk, **form}
    )
    assert told_so in answer.content.decode()
    assert not ApprovalRule.objects.exists()


def test_a_rule_is_written_in_major_units(admin_client):
    form = {"merchant": rows.merchant().pk, "matter": "money", "currency": "gbp", "above_minor": "500"}
    admin_client.post(reverse("admin:payments_approvalrule_add"), form)
    assert ApprovalRule.objects.get().above == Money(50_000, "GBP")
    assert "£500.00" in shown(admin_client, reverse("admin:payments_approvalrule_changelist"))
