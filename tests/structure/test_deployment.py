"""The deployment files run the Procfile's commands, and have the gateway's limits."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from checkout.running.services import SERVICES
from payments_gateway.environment import Environment
from payments_gateway.serving.http.request_head import MAX_HEAD_BYTES
from tests.support.environment import missing
from tests.support.program import ROOT

SYSTEMD = ROOT / "deployment" / "systemd"
SITE = (ROOT / "deployment" / "nginx" / "payments-gateway.conf").read_text()


def found(pattern, text):
    match = re.search(pattern, text, re.MULTILINE)
    assert match is not None, pattern
    return match[1]


def command_of(unit):
    return found(r"^ExecStart=/srv/payments-gateway/.venv/bin/(.+)$", (SYSTEMD / unit).read_text())


def setting(name):
    return found(rf"^ *{name} ([^;]+);", SITE)


def test_the_units_run_what_the_procfile_runs():
    lines = (ROOT / "Procfile").read_text().splitlines()
    # The Procfile removes this variable from a shared environment. Under systemd the process never gets it.
    lines = [line.replace("env -u CHECKOUT_CARD_KEYS ", "") for line in lines]
    commands = {name: command.strip() for name, _, command in (line.partition(":") for line in lines)}
    web = commands["web"].replace("${HOST:-localhost}", "${HOST}").replace("${WEB_PORT:-8000}", "%i")
    web = web.replace("${FORWARDED_ALLOW_IPS:-}", "${FORWARDED_ALLOW_IPS}")
    assert command_of("payments-gateway-web@.service") == web
    assert command_of("payments-gateway-relay.service") == commands["relay"]
    assert command_of("payments-gateway-webhooks.service") == commands["webhooks"]
    for service in SERVICES:
        assert command_of("payments-gateway@.service").replace("%i", service) == commands[service]
    assert set(commands) == {"web", "relay", "webhooks", "sandbox", *SERVICES}


def test_systemd_finds_nothing_wrong_with_the_units(tmp_path):
    analyze = shutil.which("systemd-analyze") or missing("systemd-analyze: install Debian's package systemd")
    for unit in SYSTEMD.iterdir():
        # systemd looks for the program and the user on this machine.
        text = unit.read_text().replace("/srv/payments-gateway/.venv/bin/python", sys.executable)
        text = text.replace("/srv/payments-gateway", str(ROOT)).replace(
            "Groups=payments-gateway", "Groups=daemon"
        )
        (tmp_path / unit.name.replace("@", "@8000")).write_text(text)
    verified = subprocess.run(
        [analyze, "verify", "--man=no", *sorted(tmp_path.iterdir())],
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")


def test_no_unit_lets_its_process_do_more_than_it_needs():
    analyze = shutil.which("systemd-analyze") or missing("systemd-analyze: install Debian's package systemd")
    for unit in SYSTEMD.glob("*.service"):
        command: list[str | Path] = [
            analyze,
            "security",
            "--offline=true",
            "--no-pager",
            "--threshold=25",
            unit,
        ]
        analysed = subprocess.run(command, capture_output=True, text=True, check=False)
        assert analysed.returncode == 0, analysed.stdout
        assert "\nUser=" not in unit.read_text(), f"the processes of {unit.name} share a user with others"


def test_nginx_admits_what_the_gateway_admits_and_waits_as_long_as_it_may():
    fields = Environment.model_fields
    assert setting("client_max_body_size") == f"{fields['SERVING_MAX_BODY_BYTES'].default // 1024}k"
    count, size = setting("large_client_header_buffers").split()
    assert int(count) * int(size.removesuffix("k")) * 1024 == MAX_HEAD_BYTES
    assert setting("client_header_timeout") == f"{fields['SERVING_HEADER_SECONDS'].default:g}s"
    [longest] = [
        limit.le for limit in fields["CHECKOUT_REPLY_BUDGET_SECONDS"].metadata if hasattr(limit, "le")
    ]
    assert int(setting("proxy_read_timeout").removesuffix("s")) > longest


def test_nginx_writes_no_body_to_its_disk_and_logs_no_token():
    assert setting("proxy_request_buffering") == "off"
    line = found(r"log_format payments ([^;]+);", SITE)
    assert "$payments_path" in line
    assert not re.search(r"\$(request|request_uri|uri|args|http_\w+)\b", line)
