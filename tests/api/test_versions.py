"""A key and a webhook endpoint keep the version of the API for which they were made."""

import pytest

from checkout.api.models import ApiKey
from checkout.api.requests import versions
from checkout.conf.api import API_VERSION, API_VERSIONS
from checkout.webhooks.models import Delivery
from messaging.concurrency.database import in_thread
from tests.api.calling import Caller, document, header, order

LATER = "2027-06-01"


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> str:
    """Return a version that a later release might have."""
    monkeypatch.setattr(versions, "API_VERSIONS", (*API_VERSIONS, LATER))
    return LATER


async def test_answers_and_refusals_have_the_version_of_the_key(api: Caller, later: str):
    assert header(await api.get("/payments"), "Api-Version") == API_VERSION
    await in_thread(ApiKey.objects.update, api_version=later)
    made = await api.post("/payments", order())
    assert (made.status, header(made, "Api-Version")) == (201, later)
    assert header(await api.get("/payments?limit=0"), "Api-Version") == later


async def test_a_request_may_ask_for_another_version(api: Caller, later: str):
    answer = await api.get("/payments", api_version=later)
    assert (answer.status, header(answer, "Api-Version")) == (200, later)


@pytest.mark.parametrize("asked", ["2020-01-01", "latest", f"{API_VERSION}, {API_VERSION}"])
async def test_an_unknown_version_is_refused_with_those_that_are_known(api: Caller, asked: str):
    answer = await api.post("/payments", order(), api_version=asked)
    problem = document(answer)
    assert (answer.status, problem["code"]) == (400, "api_version_unknown")
    assert problem["versions"] == list(API_VERSIONS)
    assert [each["header"] for each in problem["errors"]] == ["Api-Version"]
    assert header(answer, "Api-Version") == API_VERSION
    assert document(await api.get("/payments"))["data"] == []


async def test_an_endpoint_has_the_version_in_which_it_was_made(api: Caller, later: str):
    await in_thread(ApiKey.objects.update, api_version=later)
    made = document(await api.post("/webhook-endpoints", {"url": "https://shop.example/hooks"}))
    assert made["api_version"] == later
    await in_thread(ApiKey.objects.update, api_version=API_VERSION)
    read = document(await api.get(f"/webhook-endpoints/{made['id']}"))
    assert read["api_version"] == later
    await api.post(f"/webhook-endpoints/{made['id']}/ping")
    content = (await in_thread(Delivery.objects.get)).content
    assert content is not None
    assert content["api_version"] == later
