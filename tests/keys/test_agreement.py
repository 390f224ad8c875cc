"""Processes of one installation have the same keys, or do not start."""

from base64 import b64encode
from io import StringIO

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command

from checkout.keys.agreement import differences, require_agreement
from checkout.keys.models import KeyInUse

OLD, NEW, STRANGE = "o" * 50, "n" * 50, "s" * 50
CARD_OLD, CARD_NEW, CARD_STRANGE = (b64encode(bytes([number]) * 32).decode() for number in (1, 2, 3))

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _production(settings):
    settings.CHECKOUT_TRY_OUT = False
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = OLD, []
    settings.CHECKOUT_CARD_KEYS = [CARD_OLD]


@pytest.fixture
def start(settings):
    """Start a program with keys of its own: in each list, the newest key first."""

    def start(program: str, *keys: str, cards: tuple[str, ...] = (CARD_OLD,)) -> None:
        settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS = keys or (OLD,)
        settings.CHECKOUT_CARD_KEYS = list(cards)
        require_agreement([program])

    return start


def test_processes_with_the_same_keys_start(start):
    for program in ("web", "payments", "relay", "web"):
        start(program)


def test_a_process_with_another_secret_key_does_not_start(start):
    start("web")
    with pytest.raises(ImproperlyConfigured, match="SECRET_KEY lacks the key that other processes use since"):
        start("relay", STRANGE)


def test_a_payments_service_that_could_not_open_the_cards_of_web_does_not_start(start):
    start("web")
    with pytest.raises(ImproperlyConfigured, match="CHECKOUT_CARD_KEYS lacks the key"):
        start("payments", cards=(CARD_STRANGE,))
    start("relay", cards=(CARD_STRANGE,))


def test_a_web_process_that_seals_with_a_key_that_payments_lacks_does_not_start(start):
    start("payments")
    with pytest.raises(ImproperlyConfigured, match="CHECKOUT_CARD_KEYS lacks the key"):
        start("web", cards=(CARD_STRANGE,))


def test_a_secret_key_is_replaced_in_two_rounds(start):
    for keys in ((OLD,), (OLD, NEW), (NEW, OLD), (OLD, NEW), (NEW,)):
        for program in ("web", "relay"):
            start(program, *keys)
    with pytest.raises(ImproperlyConfigured):
        start("orders", OLD)


def test_a_card_key_is_replaced_as_its_page_says(start):
    start("web")
    start("payments", cards=(CARD_NEW, CARD_OLD))
    start("web", cards=(CARD_OLD,))
    start("web", cards=(CARD_NEW, CARD_OLD))
    start("payments", cards=(CARD_NEW,))
    with pytest.raises(ImproperlyConfigured):
        start("payments", cards=(CARD_OLD,))


def test_keys_that_were_lost_are_replaced_by_a_command(start, settings):
    start("web")
    settings.SECRET_KEY, settings.CHECKOUT_CARD_KEYS = NEW, [CARD_NEW]
    assert len(differences(["web"])) == 2
    output = StringIO()
    call_command("gateway", "new-keys", stdout=output)
    assert "The new SECRET_KEY is recorded" in output.getvalue()
    start("web", NEW, cards=(CARD_NEW,))
    with pytest.raises(ImproperlyConfigured):
        start("relay", OLD)


def test_no_key_is_in_the_database(start):
    start("web")
    stored = " ".join(map(str, KeyInUse.objects.values_list()))
    assert OLD not in stored
    assert CARD_OLD not in stored


def test_a_try_out_whose_keys_are_published_agrees_on_nothing(start, settings):
    settings.CHECKOUT_TRY_OUT = True
    start("web")
    start("relay", STRANGE)
    assert not KeyInUse.objects.exists()
