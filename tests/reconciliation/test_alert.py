"""A difference between the books makes its alert fire."""

from collections.abc import Callable
from pathlib import Path

import pytest

from checkout.metrics import of_installation
from checkout.metrics.families import Families
from tests.metrics.scraping import Samples, alerts_of, series_of
from tests.reconciliation.conftest import Twinned
from tests.support.memory_provider.books import Books
from tests.support.reconciling import reconcile


def collected() -> Samples:
    of_installation.collect()
    families = Families(of_installation.figures()).collect()
    return {series_of(each.name, each.labels): each.value for family in families for each in family.samples}


def test_books_that_differ_are_told_by_an_alert(
    paid: Callable[[], Twinned], books: Books, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(of_installation, "_latest", {})
    paid()
    well = alerts_of({}, collected(), tmp_path)
    books.orders.clear()
    assert reconcile()
    assert alerts_of({}, collected(), tmp_path) - well == {"GatewayBooksDiffer"}
