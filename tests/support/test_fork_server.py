"""A forked program behaves like one that a new interpreter runs."""

import os
import signal
import sys
from pathlib import Path

import pytest

from tests.support import fork_server
from tests.support.program import ROOT, Program, run
from tests.support.waiting import wait_until

WAITS = """
import os, sys, time
print("of", os.environ["WHOSE"], os.getpid(), os.getsid(0), sys.argv[1:], os.readlink("/proc/self/fd/0"))
time.sleep(60)
"""

# Without the descriptor that is needed to list the folder.
LISTS = """
import os
folder = "/proc/self/fd"
print(sorted(int(each) for each in os.listdir(folder) if os.path.lexists(f"{folder}/{each}")))
"""


@pytest.fixture
def program(tmp_path: Path):
    script = tmp_path / "waits.py"
    script.write_text(WAITS)
    command = [sys.executable, str(script), "a b"]
    environment = {**os.environ, "WHOSE": "one"}
    program = Program("waits", command, log=tmp_path / "log", environment=environment, may_be_forked=True)
    yield program
    program.kill()


def test_it_has_its_own_id_session_environment_arguments_and_log(program: Program):
    assert fork_server.can_start([sys.executable], os.environ)
    for whose in ("one", "other"):
        program.start(WHOSE=whose)
        program.wait_for_line(f"of {whose} {program.pid} {program.pid} ['a b'] /dev/null")
        program.kill()
        assert program.exit_code == -signal.SIGKILL
    assert "WHOSE" not in os.environ


def test_it_ends_by_a_signal(program: Program):
    program.start()
    program.wait_for_line("of one")
    assert program.is_alive
    assert program.terminate() == -signal.SIGTERM
    assert not program.is_alive
    with pytest.raises(ProcessLookupError):
        os.kill(program.pid, 0)


@pytest.mark.parametrize(("ends", "code"), [("sys.exit(3)", 3), ("1 / 0", 1), ("pass", 0)])
def test_the_exit_code_and_output_are_those_of_the_program(tmp_path: Path, ends: str, code: int):
    script = tmp_path / "ends.py"
    script.write_text(f"import atexit, sys\natexit.register(print, 'last')\nprint('first')\n{ends}\n")
    ended = run([sys.executable, str(script)], os.environ)
    assert (ended.returncode, ended.stdout) == (code, "first\nlast\n")
    assert ("ZeroDivisionError" in ended.stderr) is (ends == "1 / 0")


def test_it_finds_the_modules_of_the_folders_that_its_environment_names(tmp_path: Path):
    script, folder = tmp_path / "finds.py", tmp_path / "more"
    folder.mkdir()
    (folder / "found_4711.py").write_text("print('found')")
    script.write_text("import found_4711, tests")
    for paths, code in ((str(folder), 0), (str(tmp_path), 1)):
        ended = run([sys.executable, str(script)], {**os.environ, "PYTHONPATH": f"{paths}{os.pathsep}{ROOT}"})
        assert (ended.returncode, ended.stdout) == (code, "" if code else "found\n"), ended.stderr


def test_it_has_the_descriptors_that_it_is_given_and_no_others(tmp_path: Path):
    script = tmp_path / "lists.py"
    script.write_text(LISTS)
    with (tmp_path / "given").open("w") as given:
        program = Program(
            "lists",
            [sys.executable, str(script)],
            log=tmp_path / "log",
            environment=os.environ,
            descriptors=[given.fileno()],
            may_be_forked=True,
        )
        program.start()
        wait_until(lambda: program.exit_code == 0, "the end")
        assert program.text() == f"[0, 1, 2, {given.fileno()}]\n"


@pytest.mark.parametrize("variable", ["LD_PRELOAD", "PYTHONHASHSEED", "FAKETIME"])
def test_a_variable_that_is_read_before_the_first_line_needs_a_new_interpreter(variable: str):
    assert not fork_server.can_start([sys.executable], os.environ | {variable: "1"})
