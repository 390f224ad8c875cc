"""The page of settings lists what there is."""

from scripts.settings_page import PAGE, page


def test_the_page_is_made_from_the_declarations():
    assert PAGE.read_text() == page(), "run: python -m scripts.settings_page"


def test_every_setting_says_what_it_means():
    rows = [line.split(" | ") for line in page().splitlines() if line.startswith("| `")]
    assert len(rows) > 80
    assert all(len(row[2]) > 10 for row in rows)
