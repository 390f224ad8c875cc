"""The health checks of a load balancer, and the static files that every page needs."""

import json

import pytest
import structlog
from django.db import OperationalError

from checkout.version import VERSION
from checkout.web.views import health
from messaging.registry import close_brokers, get_broker


async def test_a_process_lives_whatever_is_missing(client):
    answer = await client.get("/livez")
    assert (answer.status, json.loads(answer.text)) == (200, {"status": "ok", "version": VERSION})


async def test_a_process_is_ready_with_database_and_broker(shop, client):
    get_broker().open()
    answer = await client.get("/readyz")
    assert (answer.status, json.loads(answer.text)) == (200, {"status": "ok", "missing": []})
    await close_brokers()


async def test_an_answer_503_is_no_warning_in_the_log_as_the_cause_has_lines_of_its_own(client, monkeypatch):
    monkeypatch.setattr(health, "CHECK_SECONDS", 0)
    with structlog.testing.capture_logs() as lines:
        assert (await client.get("/readyz")).status == 503
    [line] = [line for line in lines if line["event"] == "request refused"]
    assert (line["log_level"], line["path"], line["status"]) == ("info", "/readyz", 503)


async def test_what_is_missing_is_named(client, monkeypatch):
    def lost():
        raise OperationalError("no database")

    monkeypatch.setattr(health, "_ask_database", lost)
    answer = await client.get("/readyz")
    assert answer.status == 503
    assert "database" in json.loads(answer.text)["missing"]


@pytest.mark.parametrize(
    "path", ["/static/checkout/checkout.css", "/static/checkout/pay.js", "/static/admin/css/base.css"]
)
async def test_static_files_need_no_collecting(client, path):
    answer = await client.get(path)
    assert answer.status == 200
    assert answer.headers["etag"]
    unchanged = await client.get(path, headers={"if-none-match": answer.headers["etag"]})
    assert unchanged.status == 304


@pytest.mark.parametrize("path", ["/static/nothing.css", "/static/../pyproject.toml", "/static/%2e%2e/x"])
async def test_no_other_file_is_served(client, path):
    assert (await client.get(path)).status == 404
