"""The check of docstrings finds those that open with a question word, and accepts all others."""

from pathlib import Path

import pytest

from scripts.docstrings import faults, sources
from tests.support.program import ROOT

FILE = Path("checkout/things.py")


@pytest.mark.parametrize(
    "source",
    [
        '"""{}"""\n',
        'def act():\n    """{}"""\n',
        'async def act():\n    """{}"""\n',
        'class Thing:\n    """{}"""\n',
        'LIMIT = 1\n"""{}"""\n',
        'def act():\n    """\n    {}\n    """\n',
    ],
    ids=["module", "function", "coroutine", "class", "attribute", "text on the next line"],
)
@pytest.mark.parametrize(
    "opening",
    ["What", "Whatever", "When", "Where", "Whether", "Which", "Who", "Whoever", "Why", "How", "Nobody"],
)
def test_a_docstring_that_opens_with_a_riddle_is_named_with_file_line_and_sentence(source, opening):
    sentence = f"{opening} stands here."
    [fault] = faults(FILE, source.format(sentence))
    assert fault.startswith("checkout/things.py:")
    assert fault.split(":")[1] == str(source[: source.index('"""')].count("\n") + 1)
    assert fault.endswith(f'opens with "{opening}": {sentence}')


@pytest.mark.parametrize(
    "source",
    [
        '"""Whole sentences are welcome."""\n',
        '"""Return what was asked for, and how it was found."""\n',
        'QUESTION = "What is this?"\n',
        "# What is this?\n",
    ],
)
def test_other_texts_pass(source):
    assert list(faults(FILE, source)) == []


def test_all_of_our_own_files_are_checked_and_no_others():
    checked = {str(path.relative_to(ROOT)) for path in sources(ROOT)}
    assert {
        "manage.py",
        "scripts/docstrings.py",
        "tests/structure/test_docstrings.py",
        "benchmarks/__main__.py",
    } <= checked
    assert {"checkout/payments/models/payment.py", "payments_gateway/settings.py"} <= checked
    assert not [path for path in checked if path.startswith(".") or "node_modules" in path]
