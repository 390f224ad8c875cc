"""Child processes end when their parent ends."""

import os
import signal
import sys

import pytest

from checkout.tryout.children import ChildFailed, Children, Stopped
from tests.support.waiting import wait_until

SLEEPS = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import os, signal, time; os.fork(); signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    " print(os.getpid(), flush=True); time.sleep(600)",
]


@pytest.fixture
def children(tmp_path):
    return Children(tmp_path, tmp_path, {"PATH": os.environ["PATH"]})


def exists(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat") as status:
        return status.read().rpartition(")")[2].split()[0] != "Z"


def test_leaving_the_block_stops_them(children):
    with children:
        child = children.start("sleeper", SLEEPS)
        children.wait_until_ready(child, lambda: "up" in child.log.read_text())
    assert child.process.returncode == -signal.SIGTERM


def test_a_child_that_ignores_the_signal_is_killed_with_its_own_children(children, monkeypatch):
    monkeypatch.setattr("checkout.tryout.children.STOP_SECONDS", 0.2)
    with children:
        child = children.start("stubborn", STUBBORN)
        children.wait_until_ready(child, lambda: len(child.log.read_text().split()) == 2)
        pids = [int(pid) for pid in child.log.read_text().split()]
    wait_until(lambda: not any(map(exists, pids)), "both processes to be gone")
    assert child.process.returncode == -signal.SIGKILL


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_waiting_and_its_handler_is_given_back(children, number):
    before = signal.getsignal(number)
    with children:
        child = children.start("sleeper", SLEEPS)
        os.kill(os.getpid(), number)
        with pytest.raises(Stopped):
            children.wait_until_stopped()
    assert child.process.returncode is not None
    assert signal.getsignal(number) == before


def test_a_child_that_ends_by_itself_is_an_error_with_the_end_of_its_log(children):
    with children:
        other = children.start("sandbox", SLEEPS)
        children.start("web", [sys.executable, "-c", "import sys; print('no luck'); sys.exit(3)"])
        with pytest.raises(ChildFailed, match=r"web ended with code 3\.\n--- the end of .*web\.log\nno luck"):
            children.wait_until_stopped()
    assert other.process.returncode is not None


def test_a_child_that_never_becomes_ready_is_given_up(children, monkeypatch):
    monkeypatch.setattr("checkout.tryout.children.READY_SECONDS", 0.1)
    with pytest.raises(ChildFailed, match="web is not ready"), children:
        children.wait_until_ready(children.start("web", SLEEPS), lambda: False)


def test_a_command_that_fails_is_an_error_and_one_that_succeeds_is_forgotten(children):
    with children:
        children.run("load", [sys.executable, "-c", ""])
        with pytest.raises(ChildFailed, match=r"migrate ended with code 1\."):
            children.run("migrate", [sys.executable, "-c", "raise SystemExit(1)"])


def test_a_visible_command_gives_its_exit_code(children):
    with children:
        assert children.run_visibly([sys.executable, "-c", "raise SystemExit(7)"]) == 7
