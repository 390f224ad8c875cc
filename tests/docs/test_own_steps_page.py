"""The steps of docs/own-steps.md can be taken exactly as they are written."""

import os
import re
import subprocess
import sys
from pathlib import Path

from checkout.own.step import FIELDS
from tests.support.pages import blocks_of
from tests.support.program import ROOT

PAGE = (ROOT / "docs" / "own-steps.md").read_text()


def test_the_example_is_accepted_by_the_check(tmp_path: Path):
    (tmp_path / "loyalty").mkdir()
    (tmp_path / "loyalty" / "__init__.py").touch()
    for block in blocks_of(PAGE, "python"):
        (tmp_path / block.splitlines()[0].removeprefix("# ")).write_text(block)
    environment = {**os.environ, "CHECKOUT_OWN_APPS": "loyalty", "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    environment["DJANGO_SETTINGS_MODULE"] = "payments_gateway.settings"
    done = subprocess.run(
        [
            sys.executable,
            "manage.py",
            "shell",
            "-v",
            "0",
            "-c",
            "import checkout.own.packages as own; print(*(step.name for step in own.own_steps()))",
        ],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.split() == ["hold_points", "award_points"], done.stdout + done.stderr


def test_the_page_names_every_field_of_a_command():
    sentence = PAGE[PAGE.index("A command has some of these fields") : PAGE.index("They have the types of")]
    assert set(re.findall(r"`(\w+)`", sentence)) == FIELDS
