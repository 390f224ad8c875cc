"""The second factor of staff: set up, required at each log-in, lost, and reset."""

import re
import time
from datetime import timedelta
from urllib.parse import unquote

import pytest
import time_machine
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from checkout.backoffice.log_in.second_factor.devices import codes_left, seal_secrets_again
from checkout.backoffice.log_in.second_factor.models import AuthenticatorApp, RecoveryCodes
from tests.backoffice import rows
from tests.backoffice.factors import code_of, code_shown, give_factor
from tests.backoffice.log_in.conftest import HOME, LOG_IN, PASSWORD, log_in
from tests.backoffice.recorded import entries

pytestmark = pytest.mark.django_db
ASK, SET_UP, CODES = (
    reverse(f"admin:{name}") for name in ("second_factor", "second_factor_set_up", "second_factor_codes")
)
PAYMENTS = reverse("admin:payments_payment_changelist")


@pytest.fixture(autouse=True)
def required(settings):
    settings.CHECKOUT_SECOND_FACTOR = True
    settings.CHECKOUT_TRY_OUT = False


@pytest.fixture
def ada(db):
    return User.objects.create_superuser("ada", password=PASSWORD)


@pytest.fixture
def browser(ada):
    client = Client()
    assert log_in(client) == 302
    return client


def set_up(browser, **old):
    """Set up a second factor, and return the recovery codes; none if the code of the old one is wrong."""
    page = browser.post(SET_UP, {"code": code_shown(browser.get(SET_UP)), **old})
    return re.findall(r"<li><code>(\w+)</code></li>", page.content.decode())


def later(seconds=60):
    """Let time pass: a code counts once, and after a wrong one the next has to wait."""
    return time_machine.travel(timezone.now() + timedelta(seconds=seconds), tick=True)


def where(response):
    return unquote(response.headers.get("Location", ""))


def test_staff_without_a_second_factor_set_it_up_before_they_see_anything(browser, ada):
    assert where(browser.get(PAYMENTS)) == f"{SET_UP}?next={PAYMENTS}"
    page = browser.get(SET_UP)
    assert "<svg" in page.content.decode()
    assert "style=" not in page.content.decode().partition("<svg")[2].partition("</svg>")[0]
    assert "no-store" in page["Cache-Control"]
    codes = set_up(browser)
    assert len(codes) == 10
    assert browser.get(PAYMENTS).status_code == 200
    assert [entry.what for entry in entries()] == ["Set up a second factor"]


def test_a_wrong_first_code_sets_nothing_up(browser, ada):
    browser.get(SET_UP)
    assert "This code is not right" in browser.post(SET_UP, {"code": "000000"}).content.decode()
    assert not AuthenticatorApp.objects.exists()
    assert browser.get(PAYMENTS).status_code == 302


def test_each_log_in_asks_for_a_code_and_leads_on_to_where_the_user_was_going(browser, ada):
    set_up(browser)
    other = Client()
    log_in(other)
    assert where(other.get(PAYMENTS)) == f"{ASK}?next={PAYMENTS}"
    assert other.post(PAYMENTS, {"action": "x"}).status_code == 302
    with later():
        assert "not right" in other.post(ASK, {"code": "123456"}).content.decode()
        assert other.get(PAYMENTS).status_code == 302
    with later(120):
        answer = other.post(f"{ASK}?next={PAYMENTS}", {"code": code_of(ada)})
    assert where(answer) == PAYMENTS
    assert other.get(PAYMENTS).status_code == 200
    assert [entry.action for entry in entries()] == ["confirm", "factor_failed", "set_up_factor"]


def test_nobody_is_led_to_another_site(browser, ada):
    set_up(browser)
    with later():
        answer = browser.post(f"{ASK}?next=https://evil.example/", {"code": code_of(ada)})
    assert where(answer) == HOME


def test_a_code_counts_once(browser, ada):
    set_up(browser)
    with later():
        code = code_of(ada)
        others = [Client(), Client()]
        for other in others:
            log_in(other)
        answers = [other.post(ASK, {"code": code}).status_code for other in others]
    assert answers == [302, 200]


def test_after_wrong_codes_the_right_one_has_to_wait(browser, ada):
    set_up(browser)
    other = Client()
    log_in(other)
    with time_machine.travel(timezone.now() + timedelta(seconds=60), tick=False):
        for _ in range(3):
            other.post(ASK, {"code": "123456"})
        assert other.post(ASK, {"code": code_of(ada)}).status_code == 200
    with later(120):
        assert other.post(ASK, {"code": code_of(ada)}).status_code == 302


def test_who_has_lost_the_device_gets_in_with_a_recovery_code_once(browser, ada):
    codes = set_up(browser)
    for expected in (302, 200):
        other = Client()
        log_in(other)
        assert other.post(ASK, {"code": codes[0]}).status_code == expected
    assert codes_left(ada) == 9


def test_new_recovery_codes_replace_the_others(browser, ada):
    codes = set_up(browser)
    page = browser.post(CODES)
    new = re.findall(r"<li><code>(\w+)</code></li>", page.content.decode())
    assert len(new) == 10
    assert not set(new) & set(codes)


def test_a_superuser_resets_the_second_factor_of_who_has_lost_everything(browser, ada):
    set_up(browser)
    grace = User.objects.create_user("grace", password=PASSWORD, is_staff=True)
    give_factor(grace)
    address = reverse("admin:auth_user_reset", args=[grace.pk])
    assert address in browser.get(reverse("admin:auth_user_change", args=[grace.pk])).content.decode()
    browser.post(address, {"reason": "Called back, lost the phone"})
    assert not AuthenticatorApp.objects.filter(user=grace).exists()
    assert entries().first().what == "Reset second factor"
    other = Client()
    log_in(other, name="grace")
    assert where(other.get(HOME)).startswith(SET_UP)


def test_nobody_else_resets_it(staff_client, ada):
    client = staff_client("view_payment")
    give_factor(User.objects.get(username="staff"))
    assert client.post(reverse("admin:auth_user_reset", args=[ada.pk]), {"reason": "x"}).status_code in (
        302,
        403,
    )
    assert not entries().filter(action="reset").exists()


def test_another_device_needs_a_code_of_the_first(browser, ada):
    set_up(browser)
    other = Client()
    log_in(other)
    assert where(other.get(SET_UP)).startswith(ASK)
    assert where(other.post(SET_UP, {"code": "123456"})).startswith(ASK)


def test_where_it_is_not_required_staff_may_do_without(settings, browser, ada):
    settings.CHECKOUT_SECOND_FACTOR = False
    assert browser.get(PAYMENTS).status_code == 200
    set_up(browser)
    other = Client()
    log_in(other)
    assert where(other.get(PAYMENTS)).startswith(ASK), "who has set it up is asked for it"


def test_a_try_out_needs_none(settings, browser):
    settings.CHECKOUT_TRY_OUT = True
    assert browser.get(PAYMENTS).status_code == 200


def test_the_log_out_and_the_log_in_need_none(browser):
    assert browser.post(reverse("admin:logout")).status_code == 200
    assert browser.get(LOG_IN).status_code == 200


def test_before_money_moves_a_recent_code_is_needed(browser, ada, settings):
    set_up(browser)
    refund = reverse("admin:payments_payment_refund", args=[rows.captured().pk])
    assert browser.get(refund).status_code == 200
    session = browser.session
    session["checkout.confirmed"] = time.time() - 901
    session.save()
    assert browser.get(PAYMENTS).status_code == 200
    assert where(browser.get(refund)) == f"{ASK}?next={refund}"
    assert browser.post(refund, {"confirmed": "yes"}).status_code == 200, "a form that was open may be sent"
    session["checkout.confirmed"] = time.time() - 1801
    session.save()
    assert where(browser.post(refund, {"confirmed": "yes"})).startswith(ASK)
    with later():
        assert where(browser.post(f"{ASK}?next={refund}", {"code": code_of(ada)})) == refund
        assert browser.get(refund).status_code == 200


def test_who_has_no_second_factor_confirms_with_the_password(browser, ada, settings):
    settings.CHECKOUT_SECOND_FACTOR = False
    refund = reverse("admin:payments_payment_refund", args=[rows.captured().pk])
    session = browser.session
    session["checkout.confirmed"] = time.time() - 2000
    session.save()
    assert where(browser.get(refund)).startswith(ASK)
    assert "This password is not right" in browser.post(ASK, {"password": "guess"}).content.decode()
    assert browser.get(refund).status_code == 302
    assert browser.post(ASK, {"password": PASSWORD}).status_code == 302
    assert browser.get(refund).status_code == 200


def test_guesses_of_the_password_are_counted_like_failed_log_ins(browser, settings):
    settings.CHECKOUT_SECOND_FACTOR = False
    answers = [browser.post(ASK, {"password": "guess"}).status_code for _ in range(5)]
    assert answers[-1] == 429


def verified(user):
    """Return another browser in which the user has logged in with both factors."""
    other = Client()
    log_in(other, name=user.username)
    assert other.post(ASK, {"code": code_of(user)}).status_code == 302
    return other


def test_who_has_stolen_a_session_cannot_put_another_device_in_place_of_the_first(browser, ada):
    set_up(browser)
    first = AuthenticatorApp.objects.get().pk
    with later():
        assert set_up(browser, old_code="123456") == []
        assert set_up(browser) == []
    assert AuthenticatorApp.objects.get().pk == first
    assert entries().first().what == "Failed to replace a second factor"
    with later(300):
        assert len(set_up(browser, old_code=code_of(ada))) == 10
    assert AuthenticatorApp.objects.get().pk != first


def test_another_second_factor_ends_the_other_sessions_of_its_user(browser, ada):
    set_up(browser)
    with later():
        other = verified(ada)
    assert other.get(PAYMENTS).status_code == 200
    with later(300):
        set_up(browser, old_code=code_of(ada))
        assert browser.get(PAYMENTS).status_code == 200
        assert where(other.get(PAYMENTS)).startswith(LOG_IN)


def test_a_reset_ends_the_sessions_of_its_user_so_that_no_thief_sets_a_factor_up(browser, ada):
    set_up(browser)
    grace = User.objects.create_superuser("grace", password=PASSWORD)
    give_factor(grace)
    stolen = verified(grace)
    browser.post(reverse("admin:auth_user_reset", args=[grace.pk]), {"reason": "Lost"})
    assert where(stolen.get(SET_UP)).startswith(LOG_IN)


def test_a_cookie_that_was_stolen_before_the_code_was_entered_is_worth_nothing_after_it(browser, ada):
    set_up(browser)
    other = Client()
    log_in(other)
    stolen = Client()
    stolen.cookies["sessionid"] = other.cookies["sessionid"].value
    with later():
        assert other.post(ASK, {"code": code_of(ada)}).status_code == 302
    assert other.get(PAYMENTS).status_code == 200
    assert where(stolen.get(PAYMENTS)).startswith(LOG_IN)


def test_who_has_seen_the_page_for_a_device_before_does_not_know_the_secret_that_is_set_up(browser, ada):
    thief = Client()
    log_in(thief)
    seen = thief.get(SET_UP).context["secret"]
    assert browser.get(SET_UP).context["secret"] != seen
    assert browser.get(SET_UP).context["secret"] != browser.get(SET_UP).context["secret"]


def test_the_database_has_neither_the_secret_nor_the_recovery_codes(browser, ada):
    secret = browser.get(SET_UP).context["secret"].replace(" ", "")
    codes = set_up(browser)
    app, kept = AuthenticatorApp.objects.values().get(), RecoveryCodes.objects.values().get()
    raw = AuthenticatorApp.objects.get().secret()
    assert secret not in str(app)
    assert raw.hex() not in str(app)
    assert not [code for code in codes if code in str(kept)]


def test_the_secret_is_sealed_again_after_a_new_secret_key(browser, ada, settings):
    set_up(browser)
    before = AuthenticatorApp.objects.get()
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another key of the project", [settings.SECRET_KEY]
    assert seal_secrets_again() == 1
    assert seal_secrets_again() == 0
    settings.SECRET_KEY_FALLBACKS = []
    after = AuthenticatorApp.objects.get()
    assert after.sealed_secret != before.sealed_secret
    assert len(after.secret()) == 20


def test_a_secret_that_cannot_be_read_lets_nobody_in(browser, ada, settings):
    set_up(browser)
    code = code_of(ada)
    settings.SECRET_KEY = "another key of the project"
    other = Client()
    log_in(other)
    assert other.post(ASK, {"code": code}).status_code == 200


def test_actions_of_a_list_need_a_recent_code_like_those_of_a_row(browser, ada):
    set_up(browser)
    grace = User.objects.create_user("grace", password=PASSWORD)
    session = browser.session
    session["checkout.confirmed"] = time.time() - 2000
    session.save()
    for name in ("auth_user", "auth_group", "payments_provideraccount"):
        users = reverse(f"admin:{name}_changelist")
        chosen = {"action": "delete_selected", "_selected_action": [grace.pk], "post": "yes"}
        assert where(browser.post(users, chosen)).startswith(ASK)
    assert User.objects.filter(username="grace").exists()
