"""The harness of the comparison, run for one tiny round with the gateway alone."""

import json
import shutil
from argparse import Namespace

import pytest

from benchmarks import compare
from benchmarks.systems import SYSTEMS, BenchmarkError
from tests.support.environment import missing

pytestmark = pytest.mark.rabbitmq


@pytest.fixture
def wrk():
    if shutil.which("wrk") is None:
        missing("wrk: install Debian's package wrk")


def test_one_round_of_the_gateway_writes_rows_of_the_promised_shape(wrk, tmp_path, capsys):
    results = tmp_path / "results.json"
    compare.run(Namespace(peers=["gateway"], rounds=1, seconds=1, counts=[2], results=results))
    (row,) = json.loads(results.read_text())
    assert set(row) == {"peer", "concurrency", "requests_per_second", "p50_ms", "p99_ms"}
    assert (row["peer"], row["concurrency"]) == ("gateway", 2)
    assert 0 < row["p50_ms"] <= row["p99_ms"]
    assert row["requests_per_second"] > 0
    assert "| gateway |" in capsys.readouterr().out


def test_a_peer_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(BenchmarkError, match="nobody"):
        compare.run(
            Namespace(peers=["nobody"], rounds=1, seconds=1, counts=[1], results=tmp_path / "results")
        )


def test_every_promised_peer_is_there():
    assert list(SYSTEMS) == [
        "gateway",
        "node",
        "node-same-guarantees",
        "faststream",
        "aio-pika",
        "celery",
        "django-floor",
    ]
