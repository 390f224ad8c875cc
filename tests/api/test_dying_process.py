"""A process that dies between the commit and the answer: the repeated request gets the first result."""

import pytest
import requests

from checkout.conf.api import TRY_OUT_API_KEY
from tests.api.calling import ROOT, order
from tests.api.running_web import prepared_web, start

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


def create(url, key):
    headers = {"Authorization": f"Bearer {TRY_OUT_API_KEY}", "Idempotency-Key": key}
    return requests.post(f"{url}{ROOT}/payments", json=order(key), headers=headers, timeout=60)


def test_a_create_whose_process_died_is_made_once(tmp_path):
    with prepared_web(tmp_path) as (program, url):
        start(program, url, CHECKOUT_CRASH_AT="web.intent_committed")
        with pytest.raises(requests.ConnectionError):
            create(url, "k")
        assert program.wait(seconds=60) == 137

        start(program, url)
        again, third = create(url, "k"), create(url, "k")
        assert (again.status_code, again.headers["Idempotent-Replayed"]) == (201, "true")
        assert third.content == again.content
        headers = {"Authorization": f"Bearer {TRY_OUT_API_KEY}"}
        listed = requests.get(f"{url}{ROOT}/payments", headers=headers, timeout=60).json()
        assert [each["id"] for each in listed["data"]] == [again.json()["id"]]
