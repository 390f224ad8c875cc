"""A running process reads no templates, because the files may belong to the next release by then."""

import json
import os
import subprocess
import sys

import pytest

from tests.support.program import ROOT

# This prints the templates that are read while they are used.
OPENED_LATER = """
import json, sys
import django
django.setup()
{start}
opened = []
sys.addaudithook(lambda event, details: event == "open" and opened.append(str(details[0])))
{use}
print(json.dumps([file for file in opened if file.endswith((".html", ".txt"))]))
"""
OURS = ROOT / "templates"
PAGES = [file.relative_to(OURS).as_posix() for file in OURS.rglob("*.html")]
WEB = (
    "import payments_gateway.asgi; from django.template.loader import get_template",
    f"for name in {PAGES}: get_template(name)",
)
NOTIFICATIONS = (
    "from checkout.receipts.service import Receipt, receipt_email",
    "receipt_email(Receipt(email='ann@example.com', amount_minor=1250, currency='GBP'))",
)


@pytest.mark.parametrize(("start", "use"), [WEB, NOTIFICATIONS], ids=["web", "notifications"])
def test_a_process_has_read_its_templates_when_it_has_started(start, use):
    run = subprocess.run(
        [sys.executable, "-c", OPENED_LATER.format(start=start, use=use)],
        cwd=ROOT,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "payments_gateway.settings", "BROKER_URL": ""},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert json.loads(run.stdout.splitlines()[-1]) == []
