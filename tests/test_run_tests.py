"""Parts of the tests run side by side, and failed tests are run once more by themselves."""

from collections.abc import Callable
from pathlib import Path

import pytest

from scripts import run_tests
from scripts.run_tests import Part, test as run_parts

pytestmark = pytest.mark.slow

# This test waits for the other part, so it passes only if that runs at the same time.
MEETS = """
import time
from pathlib import Path
def test_of_{mine}():
    Path("{mine}").touch()
    until = time.monotonic() + 60
    while not Path("{other}").exists():
        assert time.monotonic() < until
        time.sleep(0.05)
"""
PASSES_AT_THE_SECOND_TRY = """
from pathlib import Path
def test_at_last():
    was_there = Path("tried").exists()
    Path("tried").touch()
    assert was_there
"""
CONTRACT = """
from pathlib import Path
class Contract:
    def test_at_last(self):
        was_there = Path("tried").exists()
        Path("tried").touch()
        assert was_there
"""
FAILS = """
def test_never():
    assert False
"""

# Only the plugin that sets the seed is loaded, because loading the others takes longer than the tests.
ENVIRONMENT = {
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    "PYTEST_ADDOPTS": "-p pytest_randomly -p no:cacheprovider",
}

Run = Callable[..., int]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs a part for each text, which becomes a file of tests."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run_tests, "RESULTS", tmp_path)

    def run(*texts: str) -> int:
        parts = []
        for number, text in enumerate(texts):
            file = tmp_path / f"test_{number}.py"
            file.write_text(text)
            parts.append(Part(f"Part {number}", (file.name,), is_patient=number > 0))
        return run_parts(parts, ENVIRONMENT)

    return run


def test_parts_run_at_the_same_time(run: Run) -> None:
    assert run(MEETS.format(mine="a", other="b"), MEETS.format(mine="b", other="a")) == 0


def test_an_inherited_test_is_run_once_more_where_it_was_inherited(run: Run, tmp_path: Path) -> None:
    (tmp_path / "contract.py").write_text(CONTRACT)
    assert run("from contract import Contract\nclass TestIt(Contract): pass\n") == 0


def test_a_test_that_passes_by_itself_is_excused_and_named(
    run: Run, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(PASSES_AT_THE_SECOND_TRY) == 0
    assert "UNSTEADY, failed beside other tests and passed by themselves: test_0.py::test_at_last" in (
        capfd.readouterr().err
    )


@pytest.mark.parametrize("texts", [("", FAILS), (FAILS, "")])
def test_a_test_that_fails_again_fails_the_run_in_either_part(run: Run, texts: tuple[str, str]) -> None:
    passing = "def test_of_something(): pass"
    assert run(*(text or passing for text in texts)) == 1
