"""Faults of the pages of the provider and the issuer, which the shopper's browser loads."""

import json
import re
from html import unescape

import pytest
import requests

from tests.sandbox.merchant import RETURN_URL, device_data_claims, form_action, hidden_fields, sign, turn

CHALLENGE_CARD = "4000000000002503"


@pytest.fixture
def challenged(merchant):
    return merchant.submit("order-1", number=CHALLENGE_CARD)


def _device_data(shopper) -> requests.Response:
    token = sign(device_data_claims())
    return shopper.post("/worldpay/shopper/3ds/ddc.html", Bin="444433", JWT=token)


def test_device_data_may_be_collected_without_success(sandbox, shopper):
    turn(sandbox, page={"page": "device_data", "fault": "status_false"})
    told = re.search('data-message="([^"]*)"', _device_data(shopper).text)
    assert told
    assert json.loads(unescape(told[1]))["Status"] is False


def test_device_data_may_never_be_told(sandbox, shopper):
    turn(sandbox, page={"page": "device_data", "fault": "no_message"})
    page = _device_data(shopper)
    assert page.status_code == 200
    assert "data-message" not in page.text
    assert "device-data.js" not in page.text


@pytest.mark.parametrize("page", ["challenge", "issuer"])
def test_a_page_may_be_broken_once_and_work_afterwards(sandbox, shopper, challenged, page):
    turn(sandbox, page={"page": page, "fault": "503"})
    with pytest.raises(AssertionError):
        shopper.choose(challenged, "approve")
    assert form_action(shopper.choose(challenged, "approve")) == RETURN_URL
    assert turn(sandbox)["incidents"] == {page: {"503": 1}}


def test_the_way_back_may_be_broken_and_works_when_it_is_tried_again(sandbox, shopper, challenged):
    turn(sandbox, page={"page": "return", "fault": "503"})
    answer = shopper.post("/acs/challenge/decision/", **shopper.reach_issuer(challenged), choice="approve")
    address, fields = form_action(answer), hidden_fields(answer)
    assert requests.post(address, fields, timeout=20).status_code == 503
    assert form_action(requests.post(address, fields, timeout=20)) == RETURN_URL


@pytest.mark.parametrize(("fault", "wrong"), [("another_transaction", "TransactionId"), ("another_md", "MD")])
def test_the_way_back_may_carry_what_is_not_this_challenges(sandbox, shopper, challenged, fault, wrong):
    turn(sandbox, page={"page": "return", "fault": fault})
    right = {"TransactionId": challenged.text("transactionId3DS"), "Response": "", "MD": "md value+1/="}
    fields = {
        name: unescape(value) for name, value in hidden_fields(shopper.choose(challenged, "approve")).items()
    }
    assert {name for name in right if fields[name] != right[name]} == {wrong}


def test_the_way_back_may_be_a_get(sandbox, shopper, challenged):
    turn(sandbox, page={"page": "return", "fault": "by_get"})
    assert 'method="get"' in shopper.choose(challenged, "approve").text


def test_a_page_may_hang(sandbox, shopper):
    turn(sandbox, page={"page": "device_data", "fault": "hang"})
    with pytest.raises(requests.Timeout):
        requests.post(
            f"{sandbox}/worldpay/shopper/3ds/ddc.html",
            {"Bin": "444433", "JWT": sign(device_data_claims())},
            timeout=0.5,
        )


@pytest.mark.parametrize(
    "knob",
    [
        {"page": "issuer", "fault": "no_message"},
        {"page": "device_data", "fault": "by_get"},
        {"page": "index", "fault": "503"},
        {"page": "return", "fault": "nonsense"},
    ],
)
def test_a_fault_that_a_page_cannot_have_is_refused(sandbox, knob):
    answer = requests.post(f"{sandbox}/scenarios/", json={"page": knob}, timeout=20)
    assert answer.status_code == 400
    assert answer.json()["errors"]


def test_the_page_for_browsers_shows_the_knobs_of_pages(sandbox):
    turn(sandbox, page={"page": "issuer", "fault": "503"})
    page = requests.get(f"{sandbox}/scenarios/", headers={"Accept": "text/html"}, timeout=20)
    assert "page page <code>issuer</code>" in page.text
