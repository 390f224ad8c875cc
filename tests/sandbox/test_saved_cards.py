"""Cards that are saved again, after a while or with another expiry, and sandboxes that start again."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.sandbox.merchant import Merchant, Reply


def _told(reply: Reply) -> tuple[str | None, str | None]:
    return reply.attribute("tokenDetails", "tokenEvent"), reply.text("paymentTokenID")


def _last_day(reply: Reply) -> tuple[int, ...]:
    date = reply.root.find(".//paymentTokenExpiry/date")
    assert date is not None
    return tuple(int(date.get(name, "")) for name in ("year", "month", "dayOfMonth"))


def _day(days_from_now: int) -> tuple[int, ...]:
    day = datetime.now(UTC) + timedelta(days=days_from_now)
    return day.year, day.month, day.day


def test_a_card_that_is_saved_again_keeps_its_token_and_gets_a_later_last_day(sandbox_of, tmp_path):
    books = tmp_path / "books.sqlite3"
    with sandbox_of(books=books, token_days=0) as url:
        first = Merchant(url).save_card("order-1")
        assert _last_day(first) == _day(0)
    with sandbox_of(books=books, token_days=7) as url:
        event, token = _told(again := Merchant(url).save_card("order-2"))
        assert (event, token, _last_day(again)) == ("MATCH", _told(first)[1], _day(7))
    with sandbox_of(books=books, token_days=0) as url:
        assert _last_day(Merchant(url).inquire("order-2")) == _day(7)
        assert _last_day(Merchant(url).save_card("order-3", year="2038")) == _day(7), "what is kept"


@pytest.mark.parametrize(("days", "last_day"), [(1, 7), (4, 4)])
def test_a_token_that_is_used_near_its_end_lives_longer_and_no_reply_says_so(
    sandbox_of, tmp_path, days, last_day
):
    books = tmp_path / "books.sqlite3"
    with sandbox_of(books=books, token_days=days) as url:
        _, token = _told(Merchant(url).save_card("order-1"))
    with sandbox_of(books=books, token_days=7) as url:
        used = Merchant(url).charge_card("order-2", str(token))
        assert (used.text("lastEvent"), used.root.find(".//token")) == ("AUTHORISED", None)
    with sandbox_of(books=books, token_days=0) as url:
        assert _last_day(Merchant(url).save_card("order-3", year="2038")) == _day(last_day), "what is kept"


def test_a_lapsed_token_is_not_found_and_the_card_can_be_saved_anew(sandbox_of, tmp_path):
    books = tmp_path / "books.sqlite3"
    with sandbox_of(books=books, token_days=-1) as url:
        event, token = _told(Merchant(url).save_card("order-1"))
        assert event == "NEW"
        assert Merchant(url).charge_card("order-2", str(token)).error[1] == "Internal error: token not found"
    with sandbox_of(books=books) as url:
        event, token = _told(Merchant(url).save_card("order-3"))
        assert event == "NEW"
        assert Merchant(url).charge_card("order-4", str(token)).text("lastEvent") == "AUTHORISED"


def test_the_same_number_with_another_expiry_conflicts_with_what_is_kept(merchant):
    _, token = _told(merchant.save_card("order-1"))
    conflict = merchant.save_card("order-2", year="2038")
    assert conflict.text("lastEvent") == "AUTHORISED"
    assert _told(conflict) == ("CONFLICT", token)
    expiry = conflict.root.find(".//cardDetails/expiryDate/date")
    assert expiry is not None
    assert expiry.get("year") == "2039", "the card that is kept"
    assert _told(merchant.save_card("order-3")) == ("MATCH", token)


def test_another_name_conflicts_as_well_and_the_payment_tells_the_expiry_of_its_own_card(merchant):
    _, token = _told(merchant.save_card("order-1"))
    conflict = merchant.save_card("order-2", holder="Ann Shopper")
    assert _told(conflict) == ("CONFLICT", token)
    told = [date.attrib for date in conflict.root.iterfind(".//expiryDate/date")]
    assert told == 2 * [{"month": "01", "year": "2039"}]
    other = merchant.save_card("order-3", year="2038").root.find(".//paymentMethodDetail//date")
    assert other is not None
    assert other.get("year") == "2038"
    assert _told(merchant.save_card("order-4")) == ("MATCH", token)


def test_identifiers_stay_the_same_after_a_restart(sandbox_of, tmp_path):
    books, found = tmp_path / "books.sqlite3", set()
    for number in (1, 2):
        with sandbox_of(books=books) as url:
            found.add(_told(Merchant(url).save_card(f"order-{number}"))[1])
    assert len(found) == 1
