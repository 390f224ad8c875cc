"""The demonstration, started as a person starts it."""

import os
import re
import socket
import subprocess
from pathlib import Path

import pytest
import requests

from checkout.tryout.ports import PortTaken, check_ports, sandbox_port, web_port
from checkout.tryout.running import announced, running_at
from tests.support.private import readable_by_others
from tests.tryout.running_demo import RunningDemo

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


def test_once_it_buys_one_thing_shows_every_hop_and_stops(tmp_path):
    demo = RunningDemo(tmp_path)
    ended = demo.run("--once")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert re.search(
        r"browser +POST localhost:\d+/checkout/pay_\w+…/challenge/return/.*303, no cookie", ended.stdout
    )
    assert "provider call    authorise" in ended.stdout
    assert "End: captured (as expected)." in ended.stdout
    assert str(demo.folder) in ended.stdout
    assert not readable_by_others(demo.folder)
    assert demo.is_gone()


def test_a_port_in_use_is_told_before_anything_starts(tmp_path):
    demo = RunningDemo(tmp_path)
    with socket.create_server(("127.0.0.1", demo.sandbox_port)):
        ended = demo.run("--once")
    assert ended.returncode == 1
    assert ended.stderr.strip() == (
        f"CommandError: Port {demo.sandbox_port} at 127.0.0.1 cannot be used: {by_this_process()} listens "
        "there. Stop the program that uses it, or choose other ports with the variables WEB_PORT and "
        "SANDBOX_PORT."
    )
    assert not demo.folder.exists()


def test_a_port_is_looked_at_under_every_name_of_this_machine():
    if not socket.has_dualstack_ipv6():
        pytest.skip("missing: IPv6")
    with (
        socket.create_server(("::1", 0), family=socket.AF_INET6) as server,
        pytest.raises(PortTaken, match="at ::1"),
    ):
        check_ports(server.getsockname()[1])


def test_the_ports_of_the_environment_are_used(monkeypatch):
    monkeypatch.setenv("WEB_PORT", "8123")
    monkeypatch.setenv("SANDBOX_PORT", "")
    assert (web_port(), sandbox_port()) == (8123, 8001)


def test_a_running_try_out_is_found_until_it_ends(tmp_path):
    assert running_at(tmp_path) == ""
    with announced(tmp_path, "http://localhost:8123"):
        assert running_at(tmp_path) == "http://localhost:8123"
        with announced(tmp_path, "http://localhost:8124"):
            assert running_at(tmp_path) == "http://localhost:8124"
    assert running_at(tmp_path) == ""


def test_a_demonstration_that_was_killed_is_not_found(tmp_path):
    ended = subprocess.Popen(["true"])
    ended.wait()
    (tmp_path / ".local").mkdir()
    (tmp_path / ".local/running-at").write_text(f"{ended.pid} http://localhost:8123")
    assert running_at(tmp_path) == ""


def by_this_process() -> str:
    command = Path("/proc/self/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    return f"process {os.getpid()} ({command[:60]})"


def test_it_tells_where_everything_is_and_lets_staff_in(demo):
    told = demo.folder.with_suffix(".log").read_text()
    assert f"Shop            {demo.url}/" in told
    ((user, password),) = re.findall(r"Back office .*\((\w+), password ([\w-]+)\)", told)
    login = f"{demo.url}/admin/login/"
    with requests.Session() as session:
        session.get(login, timeout=20)
        form = {"username": user, "password": password, "csrfmiddlewaretoken": session.cookies["csrftoken"]}
        answer = session.post(login, form, allow_redirects=False, timeout=20)
    assert answer.status_code == 302
    assert "sessionid" in answer.cookies


def test_stopped_while_it_starts_it_leaves_nothing_behind(tmp_path):
    demo = RunningDemo(tmp_path)
    program = demo.program()
    program.start()
    program.wait_for_line("Starting the sandbox and the gateway", seconds=60)
    assert program.terminate() == 130
    assert demo.is_gone()
